#include "acme/resources.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/ascii.h"
#include "base/domain_name.h"
#include "base/encoding.h"
#include "base/json.h"
#include "http/message.h"

namespace everseal::acme {
namespace {

using nlohmann::json;

constexpr std::size_t kMostBytes = 1 << 20;
constexpr int kMostDepth = 16;
constexpr std::size_t kMostItems = 1000;   // of one array
constexpr std::size_t kMostDetail = 1000;  // bytes to show: it may end with a URL
constexpr std::size_t kMostUrlText = 400;
constexpr Time kEndOfTime = std::chrono::sys_days(std::chrono::year(10'000) / 1 / 1);
constexpr std::string_view kErrorPrefix = "urn:ietf:params:acme:error:";

// A JSON object of one resource; its readers name the member that is wrong.
class Object {
 public:
  // `what` is the resource ("order"), `origin` that of all its URLs.
  static Result<Object> parse(std::string_view what, std::string_view text,
                              std::string_view origin) {
    auto refuse = [&](std::string_view why) {
      return base::rejected(fmt::format("the CA's {} is {}", what, why));
    };
    if (text.size() > kMostBytes) return refuse("larger than 1 MiB");
    if (const auto fit = base::check_before_parsing(text, kMostDepth); !fit)
      return refuse(fit.error().message);
    json value = json::parse(text, nullptr, false);
    if (!value.is_object()) return refuse("not a JSON object");
    return Object(std::string(what), std::move(value), std::string(origin));
  }

  Object at(json value) const { return Object(what_, std::move(value), origin_); }

  std::unexpected<Error> refuse(std::string_view member) const {
    return base::rejected(fmt::format("the CA's {} has a bad \"{}\"", what_, member));
  }

  bool has(const char* member) const {
    return value_.is_object() && value_.contains(member) && !value_.at(member).is_null();
  }

  // Empty if it is absent or not a string.
  std::string text(const char* member) const {
    return has(member) && value_.at(member).is_string() ? value_.at(member).get<std::string>()
                                                        : std::string();
  }

  bool flag(const char* member) const {
    return has(member) && value_.at(member).is_boolean() && value_.at(member).get<bool>();
  }

  int number(const char* member) const {
    return has(member) && value_.at(member).is_number_integer() ? value_.at(member).get<int>() : 0;
  }

  Result<std::string> url(const char* member) const {
    const std::string value = text(member);
    const auto origin = http::https_origin(value);
    if (!origin || *origin != origin_) return refuse(member);
    return value;
  }

  Result<std::string> optional_url(const char* member) const {
    if (!has(member)) return std::string();
    return url(member);
  }

  // The object under a member; an empty one if there is none.
  Object object(const char* member) const {
    return at(has(member) ? value_.at(member) : json::object());
  }

  // The elements of an array, as objects; none if it is absent.
  Result<std::vector<Object>> objects(const char* member) const {
    std::vector<Object> result;
    if (!has(member)) return result;
    const json& array = value_.at(member);
    if (!array.is_array() || array.size() > kMostItems) return refuse(member);
    for (const json& each : array) result.push_back(at(each));
    return result;
  }

  Result<std::vector<std::string>> urls(const char* member) const {
    std::vector<std::string> result;
    for (const Object& each : TRY(objects(member))) {
      result.push_back(TRY(at(json{{member, each.value_}}).url(member)));
    }
    return result;
  }

  // The value that one of `words` stands for, in the order of the enum.
  template <class Enum, std::size_t n>
  Result<Enum> word(const char* member, const std::array<const char*, n>& words) const {
    const auto found = std::ranges::find(words, text(member));
    if (found == words.end()) return refuse(member);
    return static_cast<Enum>(found - words.begin());
  }

 private:
  Object(std::string what, json value, std::string origin)
      : what_(std::move(what)), value_(std::move(value)), origin_(std::move(origin)) {}

  std::string what_;
  json value_;
  std::string origin_;
};

constexpr std::array kOrderWords = {"pending", "ready", "processing", "valid", "invalid"};
constexpr std::array kAuthorizationWords = {"pending",     "valid",   "invalid",
                                            "deactivated", "expired", "revoked"};

Problem read_problem(const Object& object, int status, int depth = 0) {
  Problem problem;
  problem.type = object.text("type");
  if (problem.type.starts_with(kErrorPrefix)) problem.type.erase(0, kErrorPrefix.size());
  problem.type = base::printable(problem.type, 100);
  problem.detail = object.text("detail");
  problem.status = status != 0 ? status : object.number("status");
  problem.instance = base::printable(object.text("instance"), kMostUrlText);
  problem.name = base::printable(object.object("identifier").text("value"), 253);
  if (depth > 0) return problem;
  for (const Object& each : object.objects("subproblems").value_or(std::vector<Object>())) {
    problem.subproblems.push_back(read_problem(each, 0, depth + 1));
  }
  return problem;
}

std::optional<Problem> optional_problem(const Object& object) {
  if (!object.has("error")) return std::nullopt;
  return read_problem(object.object("error"), 0);
}

// A name as we asked for it; the CA may write it in another case.
Result<std::string> read_identifier(const Object& identifier) {
  auto name = base::parse_domain_name(identifier.text("value"));
  if (identifier.text("type") != "dns" || !name) return identifier.refuse("identifier");
  return *std::move(name);
}

Result<Challenge> read_challenge(const Object& object) {
  Challenge challenge;
  challenge.type = object.text("type");
  challenge.url = TRY(object.url("url"));
  challenge.token = object.text("token");
  if (!is_token(challenge.token)) return object.refuse("token");
  challenge.error = optional_problem(object);
  return challenge;
}

Result<Time> read_time(const Object& object, const char* member) {
  const auto time = base::parse_rfc3339(object.text(member));
  if (!time || *time < Time() || *time >= kEndOfTime) return object.refuse(member);
  return *time;
}

bool passes_by_itself(std::string_view type) {
  constexpr std::array types = {"dns",      "connection",   "rateLimited", "serverInternal",
                                "badNonce", "orderNotReady"};
  return std::ranges::find(types, type) != types.end();
}

}  // namespace

std::string_view to_string(OrderStatus status) {
  return kOrderWords[static_cast<std::size_t>(status)];
}

std::string_view to_string(AuthorizationStatus status) {
  return kAuthorizationWords[static_cast<std::size_t>(status)];
}

bool is_base64url(std::string_view text) {
  return std::ranges::all_of(
      text, [](char c) { return base::is_letter_or_digit(c) || c == '-' || c == '_'; });
}

bool is_token(std::string_view text) {
  return text.size() >= 22 && text.size() <= 128 && is_base64url(text);
}

Result<Directory> parse_directory(std::string_view text, std::string_view url) {
  const auto object = TRY(Object::parse("directory", text, TRY(http::https_origin(url))));
  Directory directory;
  directory.new_nonce = TRY(object.url("newNonce"));
  directory.new_account = TRY(object.url("newAccount"));
  directory.new_order = TRY(object.url("newOrder"));
  directory.revoke_cert = TRY(object.optional_url("revokeCert"));
  directory.key_change = TRY(object.optional_url("keyChange"));
  directory.renewal_info = TRY(object.optional_url("renewalInfo"));
  const Object meta = object.object("meta");
  directory.terms.terms_of_service = base::printable(meta.text("termsOfService"));
  directory.website = base::printable(meta.text("website"));
  directory.terms.external_account_required = meta.flag("externalAccountRequired");
  return directory;
}

std::string Problem::describe() const {
  std::string text =
      detail.empty() ? fmt::format("status {}", status) : base::printable(detail, kMostDetail);
  if (!type.empty()) text = fmt::format("{}: {}", type, text);
  return instance.empty() ? text : fmt::format("{}; see {}", text, instance);
}

Error Problem::error() const {
  const bool passes = passes_by_itself(type) || status == 429 || status >= 500;
  return {passes ? ErrorKind::transient : ErrorKind::rejected, describe()};
}

Problem parse_problem(std::string_view text, int http_status) {
  const auto object = Object::parse("problem", text, "");
  if (object) return read_problem(*object, http_status);
  Problem problem;
  problem.status = http_status;
  problem.detail = fmt::format("status {}: {}", http_status, base::printable(text));
  return problem;
}

Result<Account> parse_account(std::string_view text, std::string_view origin) {
  const auto object = TRY(Object::parse("account", text, origin));
  Account account;
  account.status = base::printable(object.text("status"), 40);
  account.orders = TRY(object.optional_url("orders"));
  return account;
}

Result<Order> parse_order(std::string_view text, std::string_view origin) {
  const auto object = TRY(Object::parse("order", text, origin));
  Order order;
  order.status = TRY(object.word<OrderStatus>("status", kOrderWords));
  for (const Object& each : TRY(object.objects("identifiers"))) {
    order.names.push_back(TRY(read_identifier(each)));
  }
  std::ranges::sort(order.names);
  order.authorizations = TRY(object.urls("authorizations"));
  order.finalize = TRY(object.url("finalize"));
  order.certificate = TRY(object.optional_url("certificate"));
  if (order.status == OrderStatus::valid && order.certificate.empty()) {
    return object.refuse("certificate");
  }
  order.error = optional_problem(object);
  return order;
}

Result<std::vector<std::string>> parse_order_list(std::string_view text, std::string_view origin) {
  return TRY(Object::parse("list of orders", text, origin)).urls("orders");
}

Result<Authorization> parse_authorization(std::string_view text, std::string_view origin) {
  const auto object = TRY(Object::parse("authorization", text, origin));
  Authorization authorization;
  authorization.status = TRY(object.word<AuthorizationStatus>("status", kAuthorizationWords));
  authorization.name = TRY(read_identifier(object.object("identifier")));
  authorization.wildcard = object.flag("wildcard");
  for (const Object& each : TRY(object.objects("challenges"))) {
    if (!each.has("token")) continue;  // a type that we do not know
    authorization.challenges.push_back(TRY(read_challenge(each)));
  }
  return authorization;
}

Result<RenewalWindow> parse_renewal_info(std::string_view text) {
  const auto object = TRY(Object::parse("renewal information", text, ""));
  const Object suggested = object.object("suggestedWindow");
  RenewalWindow window{.start = TRY(read_time(suggested, "start")),
                       .end = TRY(read_time(suggested, "end")),
                       .explanation = base::printable(object.text("explanationURL"))};
  if (window.end <= window.start) return object.refuse("suggestedWindow");
  return window;
}

}  // namespace everseal::acme
