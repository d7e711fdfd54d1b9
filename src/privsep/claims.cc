#include "privsep/claims.h"

#include <algorithm>

#include "acme/resources.h"
#include "base/encoding.h"
#include "http/message.h"

namespace everseal::privsep {
namespace {

constexpr std::size_t kMostText = 2000;  // bytes of an error to show
constexpr std::size_t kMostProblems = 100;
constexpr std::size_t kMostType = 100;

// Of one certificate: an order that is resumed and the one after it, each asked for anew with less
// (acme/issuance.h), and of each the URL, before challenges and before finalize.
constexpr int kMostSaves = 20;
constexpr int kMostChallenges = 10;  // of each name, in all these orders
constexpr int kMostSteps = 100;
constexpr base::Seconds kLongestWait = std::chrono::days(1);  // as http::retry_after() believes

std::tuple<std::uint64_t, std::string, std::string> key_of(const acme::ChallengeResponse& it) {
  return {it.id, it.name, it.token};
}

}  // namespace

Claims::Claims(std::string origin, const std::vector<acme::IssuanceRequest>& requests,
               const Clock& clock)
    : origin_(std::move(origin)), clock_(clock) {
  for (const acme::IssuanceRequest& each : requests) {
    Issuance& issuance = open_[each.id];
    issuance.replaces = each.replaces;
    for (const std::string& name : each.names) issuance.published[name] = 0;
  }
}

Result<> Claims::check(NetEvent& event) {
  if (ended_) return base::rejected("something after its end");
  return std::visit([this](auto& each) { return check(each); }, event);
}

std::vector<acme::ChallengeResponse> Claims::published() const {
  std::vector<acme::ChallengeResponse> all;
  for (const auto& [id, name, token] : published_) all.push_back({id, name, token});
  return all;
}

Result<Claims::Issuance*> Claims::open(std::uint64_t id) {
  const auto found = open_.find(id);
  if (found != open_.end()) return &found->second;
  return base::rejected("something about a certificate that was not asked for");
}

Result<> Claims::check_url(const std::string& url) const {
  if (http::https_origin(url).value_or("") == origin_) return {};
  return base::rejected("a URL that is not the CA's");
}

Result<> Claims::check(tell::SaveOrders& event) {
  for (const acme::OrderRecord& each : event.records) {
    if (++TRY(open(each.id))->saved > kMostSaves)
      return base::rejected("more orders than a certificate can need");
    TRY(check_url(each.url));
  }
  return {};
}

// Its token becomes a file's name and a part of its content (faults.md A29).
Result<> Claims::check(tell::Publish& event) {
  const acme::ChallengeResponse& response = event.response;
  auto& names = TRY(open(response.id))->published;
  const auto name = names.find(response.name);
  if (name == names.end()) return base::rejected("a challenge for a name that was not asked for");
  if (!acme::is_token(response.token)) return base::rejected("a challenge with a hostile token");
  if (++name->second > kMostChallenges)
    return base::rejected("more challenges than a name can need");
  if (!published_.insert(key_of(response)).second)
    return base::rejected("a challenge that is published already");
  return {};
}

Result<> Claims::check(tell::Retract& event) {
  if (published_.erase(key_of(event.response)) > 0) return {};
  return base::rejected("a challenge to retract that was not published");
}

Result<> Claims::check(tell::Progress& event) {
  if (++TRY(open(event.id))->steps > kMostSteps)
    return base::rejected("more steps than a certificate can need");
  return {};
}

Result<> Claims::check(tell::Finished& event) {
  acme::Outcome& outcome = event.outcome;
  const Issuance& issuance = *TRY(open(outcome.id));
  if (!outcome.replaces.empty() && outcome.replaces != issuance.replaces)
    return base::rejected("a certificate that was not to be replaced");
  if (outcome.retry_at) outcome.retry_at = std::min(*outcome.retry_at, clock_.now() + kLongestWait);
  if (!outcome.order_url.empty()) TRY(check_url(outcome.order_url));
  if (!outcome.chain)
    outcome.chain.error().message = base::printable(outcome.chain.error().message, kMostText);
  outcome.problem_type = base::printable(outcome.problem_type, kMostType);
  if (outcome.problems.size() > kMostProblems) outcome.problems.resize(kMostProblems);
  for (acme::NameProblem& each : outcome.problems)
    each = {base::printable(each.name, 300), base::printable(each.text, kMostText)};
  if (outcome.notices.size() > kMostProblems) outcome.notices.resize(kMostProblems);
  for (std::string& each : outcome.notices) each = base::printable(each, kMostText);
  open_.erase(outcome.id);
  return {};
}

Result<> Claims::check(tell::Ended&) {
  ended_ = true;
  return {};
}

}  // namespace everseal::privsep
