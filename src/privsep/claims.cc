#include "privsep/claims.h"

#include <fmt/format.h>

#include <algorithm>

#include "acme/resources.h"
#include "base/encoding.h"
#include "http/message.h"

namespace everseal::privsep {
namespace {

constexpr std::size_t kMostText = 2000;  // bytes of an error to show
constexpr std::size_t kMostProblems = 100;
constexpr std::size_t kMostType = 100;

bool same(const acme::ChallengeResponse& one, const acme::ChallengeResponse& other) {
  return one.id == other.id && one.name == other.name && one.token == other.token;
}

}  // namespace

Claims::Claims(std::string origin, const std::vector<acme::IssuanceRequest>& requests)
    : origin_(std::move(origin)) {
  for (const acme::IssuanceRequest& each : requests)
    open_[each.id] = {each.names.begin(), each.names.end()};
}

Result<> Claims::check(NetEvent& event) {
  if (ended_) return base::rejected("something after its end");
  return std::visit([this](auto& each) { return check(each); }, event);
}

Result<> Claims::check_open(std::uint64_t id) const {
  if (open_.contains(id)) return {};
  return base::rejected("something about a certificate that was not asked for");
}

Result<> Claims::check_url(const std::string& url) const {
  if (http::https_origin(url).value_or("") == origin_) return {};
  return base::rejected("a URL that is not the CA's");
}

Result<> Claims::check(tell::SaveOrders& event) {
  for (const acme::OrderRecord& each : event.records) {
    TRY(check_open(each.id));
    TRY(check_url(each.url));
  }
  return {};
}

// Its token becomes a file's name and a part of its content (faults.md A29).
Result<> Claims::check(tell::Publish& event) {
  const acme::ChallengeResponse& response = event.response;
  TRY(check_open(response.id));
  if (!open_.at(response.id).contains(response.name))
    return base::rejected("a challenge for a name that was not asked for");
  if (!acme::is_token(response.token)) return base::rejected("a challenge with a hostile token");
  if (std::ranges::any_of(published_, [&](const auto& each) { return same(each, response); }))
    return base::rejected("a challenge that is published already");
  published_.push_back(response);
  return {};
}

Result<> Claims::check(tell::Retract& event) {
  const auto published = std::ranges::find_if(
      published_, [&](const auto& each) { return same(each, event.response); });
  if (published == published_.end())
    return base::rejected("a challenge to retract that was not published");
  published_.erase(published);
  return {};
}

Result<> Claims::check(tell::Progress& event) { return check_open(event.id); }

Result<> Claims::check(tell::Finished& event) {
  acme::Outcome& outcome = event.outcome;
  TRY(check_open(outcome.id));
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
