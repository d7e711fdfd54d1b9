#include "ca/front_end.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/encoding.h"
#include "ca/authentication.h"
#include "ca/json.h"
#include "ca/resources.h"

namespace everseal::ca {
namespace {

enum class Wants { post_as_get, payload, either };

// A resource and what it takes to be let in. In a pattern "*" stands for one word of the path, "**"
// at its end for the rest.
struct Route {
  std::string_view name;  // for faults and limits
  std::string_view pattern;
  Signer signer;  // of a POST
  Wants wants;    // the payload of a POST
  bool get;       // whether a GET will do, too
  bool plain;     // whether it is there without TLS
  Resource resource;
};

constexpr bool kGet = true, kNoGet = false, kPlain = true, kNotPlain = false;

constexpr std::array kRoutes = {
    Route{"directory", "/directory", Signer::account, Wants::post_as_get, kGet, kNotPlain,
          directory},
    Route{"new-nonce", "/new-nonce", Signer::account, Wants::post_as_get, kGet, kNotPlain,
          new_nonce},
    Route{"new-account", "/new-account", Signer::key, Wants::payload, kNoGet, kNotPlain,
          new_account},
    Route{"account", "/account/*", Signer::account, Wants::either, kNoGet, kNotPlain, account},
    Route{"orders", "/account/*/orders", Signer::account, Wants::post_as_get, kNoGet, kNotPlain,
          orders},
    Route{"orders", "/account/*/orders/*", Signer::account, Wants::post_as_get, kNoGet, kNotPlain,
          orders},
    Route{"key-change", "/key-change", Signer::account, Wants::payload, kNoGet, kNotPlain,
          key_change},
    Route{"new-order", "/new-order", Signer::account, Wants::payload, kNoGet, kNotPlain, new_order},
    Route{"order", "/order/*", Signer::account, Wants::post_as_get, kNoGet, kNotPlain, order},
    Route{"finalize", "/order/*/finalize", Signer::account, Wants::payload, kNoGet, kNotPlain,
          finalize},
    Route{"new-authz", "/new-authz", Signer::account, Wants::payload, kNoGet, kNotPlain,
          new_authorization},
    Route{"authz", "/authz/*", Signer::account, Wants::either, kNoGet, kNotPlain, authorization},
    Route{"challenge", "/chall/*/*", Signer::account, Wants::either, kNoGet, kNotPlain, challenge},
    Route{"cert", "/cert/*", Signer::account, Wants::post_as_get, kNoGet, kNotPlain, certificate},
    Route{"cert", "/cert/*/*", Signer::account, Wants::post_as_get, kNoGet, kNotPlain, certificate},
    Route{"revoke-cert", "/revoke-cert", Signer::either, Wants::payload, kNoGet, kNotPlain, revoke},
    Route{"renewal-info", "/renewal-info/*", Signer::account, Wants::post_as_get, kGet, kNotPlain,
          renewal_info},
    Route{"issuer", "/issuer/*", Signer::nobody, Wants::either, kGet, kPlain, issuer_certificate},
    Route{"crl", "/crl/*", Signer::nobody, Wants::either, kGet, kPlain, revocation_list},
    Route{"ocsp", "/ocsp", Signer::nobody, Wants::payload, kNoGet, kPlain, ocsp},
    Route{"ocsp", "/ocsp/**", Signer::nobody, Wants::payload, kGet, kPlain, ocsp},
};

// The next word of a path, which begins with '/'.
std::string_view take_word(std::string_view& path) {
  path.remove_prefix(1);
  const std::string_view word = path.substr(0, path.find('/'));
  path.remove_prefix(word.size());
  return word;
}

std::optional<std::vector<std::string>> match(std::string_view pattern, std::string_view path) {
  std::vector<std::string> words;
  while (!pattern.empty() && !path.empty()) {
    const std::string_view wanted = take_word(pattern);
    if (wanted == "**") return std::vector{std::string(path.substr(1))};
    const std::string_view word = take_word(path);
    if (wanted == "*" && !word.empty())
      words.emplace_back(word);
    else if (wanted != word)
      return std::nullopt;
  }
  if (!pattern.empty() || !path.empty()) return std::nullopt;
  return words;
}

std::unexpected<Refusal> wrong_method(const Route& route) {
  auto refusal =
      refuse(405, "malformed", fmt::format("{} is no resource to be asked for so", route.name));
  refusal.error().headers.push_back({"Allow", route.get ? "GET, HEAD, POST" : "POST"});
  return refusal;
}

std::string_view why_unreadable(int status) {
  switch (status) {
    case 405:
      return "methods are GET, HEAD and POST";
    case 411:
      return "the request has no length";
    case 413:
      return "the request is too large";
    case 431:
      return "the request's headers are too large";
    default:
      return "the request cannot be read";
  }
}

// "https://host:port" and "/path" of a URL.
std::pair<std::string, std::string> split(const std::string& url) {
  const std::size_t authority = std::min(url.find("://"), url.size() - 1) + 3;
  const std::size_t path = std::min(url.find_first_of("/?", authority), url.size());
  return {url.substr(0, path), url.substr(path, url.find('?', path) - path)};
}

// The names that a request is about, for faults.
std::vector<std::string> names_of(Context& context, const Route& route, const Call& call) {
  const auto of_order = [&](std::int64_t id) {
    const auto found = context.ledger.order(id);
    return found && *found ? (*found)->names : std::vector<std::string>();
  };
  const std::int64_t id = call.words.empty() ? 0 : to_number(call.words.front());
  if (route.name == "new-order") {
    const auto names = [&]() -> Checked<std::vector<std::string>> {
      const Object payload = TRY(Object::parse(call.payload));
      return read_identifiers(context.policy.profiles.front(), TRY(payload.objects("identifiers")));
    }();
    return names.value_or(std::vector<std::string>());
  }
  if (route.name == "order" || route.name == "finalize") return of_order(id);
  if (route.name == "authz" || route.name == "challenge") {
    const auto found = context.ledger.authorization(id);
    if (found && *found) return {(*found)->name};
  }
  if (route.name == "cert") {
    const auto found = context.ledger.certificate(call.words.front());
    if (found && *found) return of_order((*found)->order);
  }
  return {};
}

std::string header_of(const http::Request& request, const char* name) {
  const std::string* const found = request.header(name);
  return found ? *found : std::string();
}

void add_default(http::Response& response, const char* name, std::string value) {
  if (!response.header(name)) response.headers.push_back({name, std::move(value)});
}

}  // namespace

struct FrontEnd::State {
  State(Ledger& ledger, const Issuer& issuer, Validator& validator, const Clock& clock,
        FrontEndOptions options)
      : context{.ledger = ledger,
                .issuer = issuer,
                .validator = validator,
                .clock = clock,
                .random = options.random,
                .policy = std::move(options.policy),
                .host = std::move(options.host),
                .nonces = Nonces(options.random(32)),
                .limits = RateLimits(ledger, clock),
                .log = std::move(options.log)},
        names(std::move(options.names)),
        request_limits(clock),
        faults(options.random) {
    const auto host = OwnNames::parse(context.host);
    if (host) names.add(host->host, host->port == 0 ? 443 : host->port);
  }

  // Everything but the commit.
  Answer answer(const http::Arrival& arrival) {
    Exchange exchange{.arrival = arrival};
    Answer answer{.id = arrival.id};
    const Answered response = answer_or_refuse(exchange);
    if (!response && !response.error().cause.empty()) context.log(response.error().cause);
    answer.response = response ? *response : to_response(response.error());
    add_headers(exchange, answer.response);
    if (exchange.fault) apply(*exchange.fault, answer);
    return answer;
  }

  // In the transaction of a batch; what was found is forgotten when that is committed.
  Checked<> settle() {
    std::ranges::move(context.validations.finished(context.validator),
                      std::back_inserter(outcomes));
    for (const ValidationOutcome& each : outcomes) TRY(decide(context, each));
    return {};
  }

  // Nothing of a batch is durable: all are told to come again.
  std::vector<Answer> fail(std::span<const http::Arrival> arrivals, const Refusal& why) {
    context.log(why.cause);
    context.validations.take_back(0);
    context.lists.clear();
    std::vector<Answer> answers;
    for (const http::Arrival& each : arrivals)
      answers.push_back({.id = each.id, .response = to_response(why)});
    return answers;
  }

  Context context;
  OwnNames names;
  KeyCache keys;
  RequestLimits request_limits;
  std::map<std::string, std::int64_t> requests;  // by resource
  Faults faults;
  std::vector<ValidationOutcome> outcomes;  // not yet durable

 private:
  struct Exchange {
    const http::Arrival& arrival;
    const Route* route = nullptr;
    Call call{};
    const Fault* fault = nullptr;
  };

  Answered answer_or_refuse(Exchange& exchange) {
    const auto found = find_route(exchange);
    ++requests[exchange.route ? std::string(exchange.route->name) : ""];
    TRY(found);
    TRY(check_request_rate(exchange));
    TRY(let_in(exchange));
    if (!faults.empty())
      exchange.fault =
          faults.strike(exchange.route->name, names_of(context, *exchange.route, exchange.call));
    if (exchange.fault && !exchange.fault->has_effect) return http::Response{.status = 200};
    return run(exchange);
  }

  Checked<> find_route(Exchange& exchange) {
    const http::Arrival& arrival = exchange.arrival;
    if (arrival.refused != 0)
      return refuse(arrival.refused, "malformed", std::string(why_unreadable(arrival.refused)));
    auto [base, path] = split(arrival.request.url);
    for (const Route& each : kRoutes) {
      auto words = match(each.pattern, path);
      if (!words) continue;
      exchange.route = &each;
      exchange.call = {.method = arrival.request.method,
                       .base = std::move(base),
                       .url = arrival.request.url,
                       .words = *std::move(words),
                       .network = network_of(arrival.client),
                       .accept = header_of(arrival.request, "Accept"),
                       .now = context.clock.now()};
      TRY(check_method(exchange));
      return check_name(exchange);
    }
    return no_such("resource");
  }

  // RFC 8555 §6.4: what is signed for another name is signed for another CA.
  Checked<> check_name(Exchange& exchange) const {
    const std::string& base = exchange.call.base;
    if (exchange.route->plain || names.include(base)) return {};
    auto refusal = refuse(421, "unauthorized",
                          fmt::format("{} is not a name of this CA, which is https://{}",
                                      base::printable(base, 200), context.host));
    exchange.call.base = "https://" + context.host;
    return refusal;
  }

  static Checked<> check_method(const Exchange& exchange) {
    const bool is_post = exchange.call.method == http::Method::post;
    if (!is_post && !exchange.route->get) return wrong_method(*exchange.route);
    if (is_post && exchange.route->signer == Signer::nobody &&
        exchange.route->wants != Wants::payload)
      return wrong_method(*exchange.route);
    if (!exchange.route->plain && !exchange.call.base.starts_with("https:"))
      return refuse(403, "malformed", "this resource is there by https alone");
    return {};
  }

  Checked<> check_request_rate(const Exchange& exchange) {
    if (!context.policy.limits) return {};
    const auto& limits = context.policy.limits->requests;
    const auto found = limits.find(exchange.route->name);
    const bool is_own = found != limits.end();
    const std::string bucket =
        fmt::format("{} {}", is_own ? exchange.route->name : "", exchange.call.network);
    if (request_limits.take(bucket, is_own ? found->second : limits.at(""))) return {};
    auto refusal = refuse(503, "rateLimited", "too many requests from this address");
    refusal.error().headers.push_back({"Retry-After", "1"});
    return refusal;
  }

  Checked<> let_in(Exchange& exchange) {
    Call& call = exchange.call;
    if (call.method != http::Method::post) return {};
    if (exchange.route->signer == Signer::nobody) {
      call.payload = exchange.arrival.request.body;
      return {};
    }
    TRY(authenticate(context, keys, exchange.arrival.request, exchange.route->signer, call));
    if (exchange.route->wants == Wants::post_as_get && !call.payload.empty())
      return malformed("a POST-as-GET has an empty payload");
    if (exchange.route->wants == Wants::payload && call.payload.empty())
      return malformed("the payload is empty");
    return check_terms(exchange);
  }

  // §7.3.3: after a change of the terms nothing goes on before the account has agreed.
  Checked<> check_terms(const Exchange& exchange) const {
    const Policy& policy = context.policy;
    const auto& account = exchange.call.account;
    if (!policy.agree_anew || !account || account->agreed_terms == policy.terms_of_service ||
        exchange.route->name == "account")
      return {};
    return std::unexpected(action_required(policy, "the terms of service have changed"));
  }

  // A request that is refused leaves nothing behind.
  Answered run(Exchange& exchange) {
    const Fault* const fault = exchange.fault;
    if (fault && fault->issuance) exchange.call.fault = &*fault->issuance;
    TRY(context.ledger.begin_request());
    const std::size_t planned = context.validations.planned();
    Answered response = exchange.route->resource(context, exchange.call);
    if (response && fault) TRY(meddle(*fault, planned));
    if (const auto room = context.validations.check_room(planned); response && !room)
      response = std::unexpected(room.error());
    if (!response) {
      context.validations.take_back(planned);
      TRY(context.ledger.undo_request());
      return response;
    }
    TRY(context.ledger.keep_request());
    return response;
  }

  // What a fault makes of the validations that were added since `planned`.
  Checked<> meddle(const Fault& fault, std::size_t planned) {
    if (!fault.hold && !fault.validation) return {};
    for (const ValidationTask& each : context.validations.take_back(planned))
      if (fault.validation) TRY(decide(context, {.id = each.id, .problem = fault.validation}));
    return {};
  }

  void add_headers(const Exchange& exchange, http::Response& response) {
    const bool is_post = exchange.arrival.request.method == http::Method::post;
    const std::string_view name = exchange.route ? exchange.route->name : "";
    if (is_post || name == "new-nonce")
      add_default(response, "Replay-Nonce", context.nonces.make());
    add_default(response, "Cache-Control", "no-cache");
    add_default(response, "Access-Control-Allow-Origin", "*");
    add_default(response, "Date", base::to_http_date(context.clock.now()));
    if (name != "directory" && exchange.route && !exchange.route->plain)
      response.headers.push_back(
          {"Link", fmt::format("<{}/directory>;rel=\"index\"", exchange.call.base)});
  }

  static void apply(const Fault& fault, Answer& answer) {
    fault.apply(answer.response);
    answer.delay = fault.delay;
    answer.dropped = fault.drop != Fault::Drop::no;
  }
};

FrontEnd::FrontEnd(Ledger& ledger, const Issuer& issuer, Validator& validator, const Clock& clock,
                   FrontEndOptions options)
    : state_(std::make_unique<State>(ledger, issuer, validator, clock, std::move(options))) {}

FrontEnd::~FrontEnd() = default;

std::vector<Answer> FrontEnd::handle(std::span<const http::Arrival> arrivals) {
  std::vector<Answer> answers;
  const auto run = [&]() -> Checked<> {
    auto batch = TRY(state_->context.ledger.begin());
    TRY(state_->settle());
    for (const http::Arrival& each : arrivals) answers.push_back(state_->answer(each));
    TRY(batch.commit());
    return {};
  };
  if (const auto done = run()) {
    state_->outcomes.clear();
    state_->context.validations.start(state_->context.validator);
    return answers;
  } else {
    return state_->fail(arrivals, done.error());
  }
}

http::Response FrontEnd::handle(const http::Request& request) {
  const http::Arrival arrival{.request = request, .client = "127.0.0.1"};
  return std::move(handle({&arrival, 1}).front().response);
}

void FrontEnd::settle() { handle(std::span<const http::Arrival>()); }

Result<> FrontEnd::resume() {
  const auto done = resume_validations(state_->context, "https://" + state_->context.host);
  if (!done) return base::internal(done.error().cause);
  state_->context.validations.start(state_->context.validator);
  return {};
}

const std::map<std::string, std::int64_t>& FrontEnd::requests() const { return state_->requests; }
Faults& FrontEnd::faults() { return state_->faults; }
const Policy& FrontEnd::policy() const { return state_->context.policy; }
void FrontEnd::set_policy(Policy policy) { state_->context.policy = std::move(policy); }

}  // namespace everseal::ca
