#include "renew/history.h"

#include <algorithm>

namespace everseal::renew {
namespace {

bool has(const std::vector<std::string>& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

void add(Setbacks& setbacks, Time now) {
  if (setbacks.failures++ == 0) setbacks.first = now;
  setbacks.last = now;
}

FailingName& entry(Kept& kept, const std::string& name) {
  const auto found = std::ranges::find(kept.failing, name, &FailingName::name);
  return found != kept.failing.end() ? *found
                                     : kept.failing.emplace_back(FailingName{name, {}, ""});
}

void add(Kept& kept, const std::string& name, const std::string& words, Time now) {
  if (!has(kept.names, name)) return;
  FailingName& failing = entry(kept, name);
  add(failing.setbacks, now);
  failing.words = words;
}

bool is_blamed(const acme::Outcome& outcome, const std::string& name) {
  return std::ranges::find(outcome.problems, name, &acme::NameProblem::name) !=
         outcome.problems.end();
}

// When the CA has judged the names of an order, those that it found nothing against are well.
void absolve_others(Kept& kept, const Action& action, const acme::Outcome& outcome) {
  if (outcome.problems.empty()) return;
  std::erase_if(kept.failing, [&](const FailingName& each) {
    return has(action.names, each.name) && !is_blamed(outcome, each.name);
  });
}

// An order for the sake of missing names that failed for no name's fault.
void blame_missing(Kept& kept, const Action& action, const acme::Outcome& outcome, Time now) {
  for (const std::string& name : action.names)
    if (!has(kept.covered, name) && !is_blamed(outcome, name))
      add(kept, name, outcome.chain.error().message, now);
}

}  // namespace

void enter_answer(Kept& kept, const acme::RenewalInfo& info, Time now) {
  kept.ask_at = now + info.ask_again;
  if (info.window) kept.window = *info.window;
  if (!info.window && info.window.error().kind != ErrorKind::transient) kept.window.reset();
}

void enter_version(Kept& kept, const Version& version) {
  kept.covered = version.names;
  kept.not_before = version.not_before;
  kept.not_after = version.not_after;
  kept.draw = version.draw;
  kept.revoked = false;
  kept.progress = Progress::none;
  kept.window.reset();
  kept.ask_at = {};
  kept.setbacks = {};
  std::erase_if(kept.failing,
                [&](const FailingName& each) { return has(version.names, each.name); });
}

void enter_failure(Kept& kept, const Action& action, const acme::Outcome& outcome, Time now) {
  absolve_others(kept, action, outcome);
  for (const acme::NameProblem& each : outcome.problems) add(kept, each.name, each.text, now);
  if (action.retries_names) return blame_missing(kept, action, outcome, now);
  add(kept.setbacks, now);
  kept.setbacks.not_before = outcome.retry_at.value_or(Time());
}

void count(LimitLedger& limits, Intent intent, const acme::Outcome& outcome, Time now) {
  if (outcome.chain) {
    if (intent.kind == OrderKind::replacement && outcome.replaces.empty())
      intent.kind = OrderKind::renewal;
    limits.ordered(intent, now);
    return limits.issued(intent, now);
  }
  const std::string& words = outcome.chain.error().message;
  if (outcome.problem_type == "rateLimited" && outcome.retry_at)
    return limits.refused(intent, *outcome.retry_at, words);
  const bool was_made = !outcome.problems.empty() || !outcome.order_url.empty();
  if (was_made) limits.ordered(intent, now);
  for (const acme::NameProblem& each : outcome.problems)
    limits.failed(intent.server, each.name, now);
}

}  // namespace everseal::renew
