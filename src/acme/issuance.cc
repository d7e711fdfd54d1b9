#include "acme/issuance.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/domain_name.h"
#include "base/encoding.h"
#include "crypto/certificate.h"

namespace everseal::acme {
namespace {

constexpr base::Milliseconds kFirstPoll{2}, kLongestPoll{5000};
constexpr base::Seconds kCleaningTime{10}, kCleaningTimeOfStopped{2};
constexpr base::Seconds kPause = std::chrono::days(1);
constexpr std::size_t kMostAlternates = 10;
constexpr int kNoAccount = 401;  // as which a deactivated account is refused (RFC 8555 §7.3.6)
constexpr std::size_t kMostProblemText = 400;  // of one of several

std::vector<std::string> sorted(std::vector<std::string> names) {
  std::ranges::sort(names);
  return names;
}

Result<> check_names(const std::vector<std::string>& names) {
  if (names.empty()) return base::invalid("no name to issue for");
  for (const std::string& name : names) {
    if (TRY(base::parse_domain_name(name)) != name) {
      return base::invalid(fmt::format("not a domain name: {}", base::printable(name)));
    }
  }
  return {};
}

const Challenge* find_http01(const Authorization& authorization) {
  const auto found = std::ranges::find(authorization.challenges, "http-01", &Challenge::type);
  return found == authorization.challenges.end() ? nullptr : &*found;
}

// Why an authorization that can no longer become valid cannot.
Problem why_failed(const Authorization& authorization) {
  for (const Challenge& each : authorization.challenges) {
    if (each.error) return *each.error;
  }
  Problem problem;
  problem.detail = fmt::format("the authorization is {}", to_string(authorization.status));
  return problem;
}

std::string why_no_http01(const Authorization& authorization) {
  std::vector<std::string> types;
  for (const Challenge& each : authorization.challenges) {
    types.push_back(base::printable(each.type, 40));
  }
  return fmt::format("the CA does not offer http-01 for {}, only {}",
                     authorization.wildcard ? "wildcards" : "it", fmt::join(types, ", "));
}

// A CA that wants to be left alone for longer than a day is asked again nevertheless, and whoever
// is told of the failure learns of it: a date far away is rather a mistake than meant.
void put_off(Outcome& outcome, base::Seconds asked, Time now) {
  outcome.retry_at = now + asked;
  if (asked >= std::chrono::hours(24))
    outcome.chain.error().message +=
        "; the CA wants to be left alone for a day or longer, and is asked again in a day";
}

}  // namespace

std::string_view to_string(Step step) {
  constexpr std::array<std::string_view, 8> words = {"queued",      "looking for an earlier order",
                                                     "ordering",    "authorizing",
                                                     "finalizing",  "downloading",
                                                     "cleaning up", "done"};
  return words[static_cast<std::size_t>(step)];
}

Issuance::Issuance(IssuanceRequest request, const IssuanceContext& context)
    : context_(context),
      request_(std::move(request)),
      replaces_(context.directory.renewal_info.empty() ? "" : request_.replaces),
      profile_(request_.profile),
      sorted_names_(sorted(request_.names)) {}

Action Issuance::next() {
  if (step_ == Step::queued) begin();
  const Instant now = context_.clock.steady_now();
  if (!outcome_ && actions_.empty() && now >= deadline_) {
    fail({ErrorKind::transient, describe_wait()});
  }
  if (!actions_.empty()) {
    Action action = std::move(actions_.front());
    actions_.pop_front();
    return action;
  }
  if (outcome_) return next_after_end();
  const auto first = std::ranges::min_element(timers_, {}, &Timer::at);
  if (first == timers_.end()) return action::Wait{deadline_};
  if (first->at > now) return action::Wait{std::min(first->at, deadline_)};
  Exchange due = std::move(first->exchange);
  timers_.erase(first);
  send(std::move(due));
  return next();
}

// Deactivations are waited for, but not for long: the CA expires what they do not reach.
Action Issuance::next_after_end() {
  if (!open_.empty() && context_.clock.steady_now() < deadline_) return action::Wait{deadline_};
  step_ = Step::done;
  return action::Finished{*outcome_};
}

// ---- Starting

void Issuance::begin() {
  deadline_ = context_.clock.steady_now() + context_.deadline;
  step_ = Step::looking_for_order;
  if (auto good = check_names(request_.names); !good) return fail(good.error());
  const auto origin = http::https_origin(request_.order_url);
  if (origin && *origin == context_.origin) return on_order_found(request_.order_url);
  if (!request_.recover_unknown_order) return begin_order();
  actions_.push_back(action::FindOrder{});
}

void Issuance::on_order_found(std::string url) {
  if (outcome_) return;
  if (url.empty()) return begin_order();
  resuming_ = true;
  order_url_ = std::move(url);
  fetch_order_after(base::Milliseconds(0));
}

void Issuance::begin_order() {
  step_ = Step::ordering;
  timers_.push_back({new_order_at_,
                     {.subject = Subject::new_order,
                      .request = {context_.directory.new_order,
                                  payload::NewOrder{request_.names, replaces_, profile_}}}});
}

// ---- Requests and their answers

void Issuance::send(Exchange exchange) {
  const std::uint32_t tag = next_tag_++;
  actions_.push_back(action::Send{tag, exchange.request});
  open_.emplace(tag, std::move(exchange));
}

void Issuance::send_after(base::Milliseconds delay, Exchange exchange) {
  if (delay.count() == 0) return send(std::move(exchange));
  timers_.push_back({context_.clock.steady_now() + delay, std::move(exchange)});
}

void Issuance::fetch_order_after(base::Milliseconds delay, int failures) {
  send_after(delay, {.subject = Subject::order,
                     .request = {order_url_, payload::PostAsGet()},
                     .failures = failures});
}

void Issuance::on_response(std::uint32_t tag, const Result<http::Response>& result) {
  auto node = open_.extract(tag);
  if (node.empty() || outcome_) return;
  Exchange exchange = std::move(node.mapped());
  if (worth_repeating(result)) return on_failed(std::move(exchange), result);
  if (!result) return fail(result.error());
  if (result->status == 429) return on_rate_limited(std::move(exchange), *result);
  if (result->status >= 300) return on_refused(exchange, *result);
  dispatch(std::move(exchange), *result);
}

void Issuance::dispatch(Exchange exchange, const http::Response& response) {
  switch (exchange.subject) {
    case Subject::new_order:
      return on_new_order(response);
    case Subject::order:
    case Subject::finalize:
      return on_order(response);
    case Subject::authorization:
      return on_authorization(exchange.index, response);
    case Subject::challenge:
      return poll_authorization(exchange.index, response);
    case Subject::certificate:
      return on_certificate(response);
    case Subject::alternate:
      return on_alternate(exchange.index, response);
    case Subject::deactivation:
      return;
  }
}

// No answer: the request may have taken effect all the same.
void Issuance::on_failed(Exchange exchange, const Result<http::Response>& result) {
  int& failures = exchange.subject == Subject::new_order  ? new_order_failures_
                  : exchange.subject == Subject::finalize ? finalize_failures_
                                                          : exchange.failures;
  const auto asked = result ? http::retry_after(*result, context_.clock.now()) : std::nullopt;
  const auto delay =
      std::max<base::Milliseconds>(repeat_delay(++failures), asked.value_or(base::Seconds(0)));
  const bool in_time = context_.clock.steady_now() + delay < deadline_;
  if (failures <= kMostFailures && in_time) return repeat(std::move(exchange), delay);
  if (!result) return fail(result.error());
  fail(parse_problem(result->body, result->status));
  if (asked) put_off(*outcome_, *asked, context_.clock.now());
}

void Issuance::repeat(Exchange exchange, base::Milliseconds delay) {
  switch (exchange.subject) {
    case Subject::new_order:
      new_order_at_ = context_.clock.steady_now() + delay;
      return actions_.push_back(action::FindOrder{});
    case Subject::finalize:
      return fetch_order_after(delay);
    default:
      return send_after(delay, std::move(exchange));
  }
}

// RFC 8555 §6.6. One that says "at once" again and again is not believed.
void Issuance::on_rate_limited(Exchange exchange, const http::Response& response) {
  const auto asked = http::retry_after(response, context_.clock.now());
  if (!asked && exchange.subject == Subject::new_order) return on_paused(response);
  const auto delay = std::max<base::Milliseconds>(repeat_delay(++exchange.failures),
                                                  asked.value_or(base::Seconds(0)));
  const bool in_time = context_.clock.steady_now() + delay < deadline_;
  if (exchange.failures <= kMostFailures && in_time) return send_after(delay, std::move(exchange));
  fail(parse_problem(response.body, response.status));
  if (asked) put_off(*outcome_, *asked, context_.clock.now());
}

// A limit without an end in sight: a person must act ("paused" at Let's Encrypt, with a URL where
// it is undone), and until then asking again is in vain. An end that cannot be read is an end.
void Issuance::on_paused(const http::Response& response) {
  fail(parse_problem(response.body, response.status));
  if (response.header("Retry-After")) return;
  outcome_->chain.error().kind = ErrorKind::rejected;
  outcome_->retry_at = context_.clock.now() + kPause;
}

void Issuance::on_refused(const Exchange& exchange, const http::Response& response) {
  const Problem problem = parse_problem(response.body, response.status);
  if (problem.type == "accountDoesNotExist") return fail(problem);
  switch (exchange.subject) {
    case Subject::new_order:
      return order_with_less(problem) ? begin_order() : fail(problem);
    case Subject::order:
      return resuming_ ? forget_order() : fail(problem);
    case Subject::finalize:
      return problem.type == "orderNotReady" ? poll_order(response) : fail(problem);
    case Subject::challenge:
      names_[exchange.index].refusal = problem.describe();
      return poll_authorization(exchange.index, response);
    case Subject::alternate:
      return fetch_alternate(exchange.index + 1);
    default:
      return fail(problem);
  }
}

// Whether there is something to order without that the CA refused (RFC 9773 §5: alreadyReplaced;
// draft-aaron-acme-profiles: invalidProfile). A CA that knows nothing of the certificate, or whose
// account it was, calls that malformed or unauthorized, as it does much else.
bool Issuance::order_with_less(const Problem& problem) {
  if (!profile_.empty() && problem.type == "invalidProfile") {
    notices_.push_back(fmt::format("ordered without the profile {}: {}",
                                   base::printable(profile_, 80), problem.describe()));
    profile_.clear();
    return true;
  }
  const bool replaces_refused = problem.status == 409 || problem.type == "alreadyReplaced" ||
                                problem.type == "malformed" ||
                                (problem.type == "unauthorized" && problem.status != kNoAccount);
  if (replaces_.empty() || !replaces_refused) return false;
  notices_.push_back(fmt::format("ordered as new, not as a replacement: {}", problem.describe()));
  replaces_.clear();
  return true;
}

// ---- The order (RFC 8555 §7.1.6)

void Issuance::on_new_order(const http::Response& response) {
  const std::string* location = response.header("Location");
  const auto origin = http::https_origin(location ? *location : "");
  if (!origin || *origin != context_.origin) {
    return fail({ErrorKind::rejected, "the CA gave no URL for the order"});
  }
  order_url_ = *location;
  on_order(response);
}

void Issuance::on_order(const http::Response& response) {
  auto order = parse_order(response.body, context_.origin);
  if (!order) return fail(order.error());
  if (order->names == sorted_names_) return accept_order(*std::move(order), response);
  if (resuming_) return forget_order();
  fail({ErrorKind::rejected,
        fmt::format("the CA's order is for other names: {}", fmt::join(order->names, ", "))});
}

void Issuance::accept_order(Order order, const http::Response& response) {
  order_ = std::move(order);
  const bool resumed = std::exchange(resuming_, false);
  switch (order_.status) {
    case OrderStatus::pending:
      return names_.empty() ? save(OrderStage::created) : poll_order(response);
    case OrderStatus::ready:
      return save(OrderStage::finalizing);
    case OrderStatus::processing:
      step_ = Step::finalizing;
      stage_ = OrderStage::finalizing;
      return poll_order(response);
    case OrderStatus::valid:
      step_ = Step::downloading;
      stage_ = OrderStage::finalizing;
      return send(
          {.subject = Subject::certificate, .request = {order_.certificate, payload::PostAsGet()}});
    case OrderStatus::invalid:
      return resumed ? forget_order() : on_invalid_order(order_);
  }
}

void Issuance::save(OrderStage stage) {
  stage_ = stage;
  step_ = stage == OrderStage::created ? Step::authorizing : Step::finalizing;
  actions_.push_back(action::SaveOrder{{.id = id(), .url = order_url_, .stage = stage}});
}

void Issuance::on_saved(const Result<>& result) {
  if (outcome_) return;
  if (!result) return fail(Error(result.error()).within("remember the order"));
  if (stage_ == OrderStage::created) return fetch_authorizations();
  send({.subject = Subject::finalize, .request = {order_.finalize, payload::Finalize{id()}}});
}

void Issuance::poll_order(const http::Response& response) {
  fetch_order_after(poll_delay(order_delay_, response));
}

void Issuance::on_invalid_order(const Order& order) {
  order_url_.clear();
  if (order.error) return fail(*order.error);
  fail({ErrorKind::rejected, "the CA says that the order is invalid"});
}

void Issuance::forget_order() {
  resuming_ = false;
  order_url_.clear();
  begin_order();
}

// ---- Authorizations (RFC 8555 §7.5)

void Issuance::fetch_authorizations() {
  for (const std::string& url : order_.authorizations) {
    names_.emplace_back().authorization_url = url;
    send({.subject = Subject::authorization,
          .index = names_.size() - 1,
          .request = {url, payload::PostAsGet()}});
  }
  if (names_.empty()) fail({ErrorKind::rejected, "the CA's order has no authorizations"});
}

void Issuance::on_authorization(std::size_t index, const http::Response& response) {
  NameState& name = names_[index];
  const auto authorization = parse_authorization(response.body, context_.origin);
  if (!authorization) return fail(authorization.error());
  name.name = (authorization->wildcard ? "*." : "") + authorization->name;
  if (!std::ranges::binary_search(sorted_names_, name.name)) {
    return fail({ErrorKind::rejected,
                 fmt::format("the CA asks for a name that was not ordered: {}", name.name)});
  }
  name.pending = authorization->status == AuthorizationStatus::pending;
  if (name.pending) return on_pending(index, *authorization, response);
  if (authorization->status == AuthorizationStatus::valid) return settle_valid(name);
  const Problem problem = why_failed(*authorization);
  settle_failed(name, problem.error().kind, problem.type, problem.describe());
}

void Issuance::on_pending(std::size_t index, const Authorization& authorization,
                          const http::Response& response) {
  NameState& name = names_[index];
  if (!name.refusal.empty()) {
    return settle_failed(name, ErrorKind::rejected, "", std::exchange(name.refusal, ""));
  }
  name.state == NameState::unread ? publish(index, authorization)
                                  : poll_authorization(index, response);
}

void Issuance::publish(std::size_t index, const Authorization& authorization) {
  NameState& name = names_[index];
  const Challenge* challenge = find_http01(authorization);
  if (!challenge) {
    return settle_failed(name, ErrorKind::rejected, "", why_no_http01(authorization));
  }
  name.state = NameState::publishing;
  name.challenge_url = challenge->url;
  name.response = {.id = id(), .name = name.name, .token = challenge->token};
  actions_.push_back(action::Publish{name.response});
}

void Issuance::on_published(const std::string& token, const Result<>& result) {
  if (outcome_) return;
  const auto name = std::ranges::find_if(names_, [&](const NameState& each) {
    return each.state == NameState::publishing && each.response.token == token;
  });
  if (name == names_.end()) return;
  if (!result) return settle_failed(*name, result.error().kind, "", result.error().message);
  name->state = NameState::published;
  send({.subject = Subject::challenge,
        .index = static_cast<std::size_t>(name - names_.begin()),
        .request = {name->challenge_url, payload::AnswerChallenge()}});
}

void Issuance::poll_authorization(std::size_t index, const http::Response& response) {
  NameState& name = names_[index];
  send_after(poll_delay(name.delay, response),
             {.subject = Subject::authorization,
              .index = index,
              .request = {name.authorization_url, payload::PostAsGet()}});
}

void Issuance::settle_valid(NameState& name) {
  retract(name);
  name.state = NameState::valid;
  conclude_authorizations();
}

void Issuance::settle_failed(NameState& name, ErrorKind kind, std::string type, std::string text) {
  retract(name);
  name.state = NameState::failed;
  problems_.push_back({name.name, text});
  if (!worst_ || (worst_->kind == ErrorKind::transient && kind != ErrorKind::transient)) {
    worst_ = Error{kind, fmt::format("{}: {}", name.name, text)};
    worst_type_ = std::move(type);
  }
  conclude_authorizations();
}

void Issuance::retract(NameState& name) {
  if (name.state == NameState::publishing || name.state == NameState::published) {
    actions_.push_back(action::Retract{name.response});
  }
}

// Every name is heard before the order fails, so that a person sees all that is wrong at once.
void Issuance::conclude_authorizations() {
  const bool settled = std::ranges::all_of(names_, [](const NameState& each) {
    return each.state == NameState::valid || each.state == NameState::failed;
  });
  if (!settled) return;
  if (problems_.empty()) return save(OrderStage::finalizing);
  // What failed here alone, like an answer that the full disk did not take, can be made good: the
  // CA has refused nothing.
  if (worst_->kind != ErrorKind::transient || !worst_type_.empty()) order_url_.clear();
  Error error = *worst_;
  if (problems_.size() > 1) error.message += fmt::format(" (and {} more)", problems_.size() - 1);
  fail(std::move(error), worst_type_);
}

// ---- The certificate (RFC 8555 §7.4.2)

void Issuance::on_certificate(const http::Response& response) {
  chain_ = response.body;
  alternates_.clear();
  for (std::string& each : http::links(response, "alternate")) {
    const auto origin = http::https_origin(each);
    if (origin && *origin == context_.origin) alternates_.push_back(std::move(each));
  }
  if (request_.preferred_chain.empty() || is_preferred(chain_)) return succeed(chain_);
  fetch_alternate(0);
}

void Issuance::fetch_alternate(std::size_t index) {
  if (index >= std::min(alternates_.size(), kMostAlternates)) return succeed(chain_);
  send({.subject = Subject::alternate,
        .index = index,
        .request = {alternates_[index], payload::PostAsGet()}});
}

void Issuance::on_alternate(std::size_t index, const http::Response& response) {
  is_preferred(response.body) ? succeed(response.body) : fetch_alternate(index + 1);
}

bool Issuance::is_preferred(const std::string& pem) const {
  const auto chain = crypto::CertificateChain::from_pem(pem);
  return chain && chain->topmost().issuer_common_name() == request_.preferred_chain;
}

// ---- Waiting and ending

base::Milliseconds Issuance::poll_delay(base::Milliseconds& delay,
                                        const http::Response& response) const {
  delay = delay.count() == 0 ? kFirstPoll : std::min(delay * 2, kLongestPoll);
  const auto asked = http::retry_after(response, context_.clock.now());
  return asked && asked->count() > 0 ? *asked : delay;  // "at once" would be for ever
}

std::string Issuance::describe_wait() const {
  const auto waited = std::chrono::floor<base::Seconds>(context_.deadline).count();
  for (const NameState& each : names_) {
    if (each.state == NameState::published) {
      return fmt::format("{}: the CA has not decided after {} seconds", each.name, waited);
    }
  }
  return fmt::format("{}: the CA is not done after {} seconds", to_string(step_), waited);
}

void Issuance::succeed(std::string chain) {
  outcome_ = Outcome{.id = id(),
                     .chain = std::move(chain),
                     .problems = {},
                     .problem_type = {},
                     .retry_at = {},
                     .order_url = order_url_,
                     .notices = notices_,
                     .replaces = replaces_};
}

void Issuance::fail(const Problem& problem) {
  for (const Problem& each : problem.subproblems) {
    problems_.push_back({each.name, base::printable(each.describe(), kMostProblemText)});
  }
  fail(problem.error(), problem.type);
}

void Issuance::fail(Error error, std::string problem_type) {
  if (!worth_resuming(error.kind)) order_url_.clear();
  outcome_ = Outcome{.id = id(),
                     .chain = std::unexpected(std::move(error)),
                     .problems = problems_,
                     .problem_type = std::move(problem_type),
                     .retry_at = {},
                     .order_url = order_url_,
                     .notices = notices_,
                     .replaces = {}};
  clean_up();
}

// Who is stopped takes back what nobody will miss. Once finalize was sent, in this run or an
// earlier one, there may be a certificate.
bool Issuance::worth_resuming(ErrorKind kind) const {
  if (kind != ErrorKind::transient && kind != ErrorKind::internal) return false;
  return !aborted_ || resuming_ || stage_ == OrderStage::finalizing;
}

void Issuance::abort() {
  if (outcome_) return;
  aborted_ = true;
  fail({ErrorKind::transient, "stopped"});
}

// Takes back what is published; deactivates what is pending unless the order is to be resumed (RFC
// 8555 §7.5.2).
void Issuance::clean_up() {
  step_ = Step::cleaning_up;
  std::erase_if(actions_,
                [](const Action& each) { return !std::holds_alternative<action::Retract>(each); });
  timers_.clear();
  open_.clear();
  for (NameState& each : names_) {
    retract(each);
    if (!order_url_.empty() || !each.pending) continue;
    send({.subject = Subject::deactivation,
          .request = {each.authorization_url, payload::Deactivate()}});
  }
  deadline_ = context_.clock.steady_now() + (aborted_ ? kCleaningTimeOfStopped : kCleaningTime);
}

}  // namespace everseal::acme
