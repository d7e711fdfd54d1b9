#include "renew/plan.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <ranges>

#include "renew/words.h"

namespace everseal::renew {
namespace {

using base::Seconds;
using base::to_rfc3339;
using Names = std::vector<std::string>;

constexpr Seconds kMostDoubt = std::chrono::days(1), kDoubtLasts = std::chrono::hours(1);
constexpr int kFailuresOfADeadName = 3;

Names sorted(Names names) {
  std::ranges::sort(names);
  return names;
}

bool same(const Names& one, const Names& other) { return sorted(one) == sorted(other); }

bool has(const Names& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

// `all` without `some`, in its order.
Names without(const Names& all, const Names& some) {
  Names rest;
  std::ranges::copy_if(all, std::back_inserter(rest),
                       [&](const std::string& name) { return !has(some, name); });
  return rest;
}

std::string join(const Names& names) { return fmt::format("{}", fmt::join(names, ", ")); }

bool is_live(const Kept& kept) { return !kept.covered.empty(); }

// A moment and its reason.
struct Due {
  Time at;
  std::string why;
};

Due due_by_window(const Kept& kept, Time now) {
  const acme::RenewalWindow& window = *kept.window;
  const Time at = moment_in(window, kept.draw, kept.not_before, kept.not_after);
  const std::string more =
      window.explanation.empty() ? "" : fmt::format(" ({})", window.explanation);
  if (window.end <= now)
    return {at, fmt::format("the CA wanted it renewed before {}{}", to_rfc3339(window.end), more)};
  return {at, fmt::format("the CA suggests from {} to {}, of which {} was drawn{}",
                          to_rfc3339(window.start), to_rfc3339(window.end), to_rfc3339(at), more)};
}

Due due_by_life(const Kept& kept) {
  const Seconds life = kept.not_after - kept.not_before;
  return {renewal_time(kept.not_before, kept.not_after),
          fmt::format("{} of its {} is left from then on; the CA suggests no time",
                      is_short(life) ? "half" : "a third", in_words(life))};
}

// When the live version wants a successor.
Due due(const Kept& kept, Time now) {
  if (kept.progress == Progress::ordered) return {Time(), "an order may be under way"};
  if (!is_live(kept)) return {Time(), "there is no certificate yet"};
  if (kept.revoked) return {Time(), "it was revoked"};
  return kept.window ? due_by_window(kept, now) : due_by_life(kept);
}

// The same, after what went wrong.
Due attempt(const Kept& kept, Time now) {
  Due when = due(kept, now);
  const Setbacks& setbacks = kept.setbacks;
  const Time not_before = next_attempt(setbacks, kept.not_after, kept.draw);
  if (not_before <= when.at || are_to_come(setbacks, now)) return when;
  when.at = not_before;
  if (setbacks.failures > 0)
    when.why += fmt::format("; {} in a row failed, the last at {}", setbacks.failures,
                            to_rfc3339(setbacks.last));
  return when;
}

// ---- Names that were left out

const FailingName* find_failing(const Kept& kept, const std::string& name) {
  const auto found = std::ranges::find(kept.failing, name, &FailingName::name);
  return found == kept.failing.end() ? nullptr : &*found;
}

// Those that were left out are tried again by their own back-off, so that one that stays dead holds
// up no other.
Due due_again(const Kept& kept, const std::string& name, Time now) {
  const FailingName* const failing = find_failing(kept, name);
  if (!failing) return {Time(), fmt::format("{} is missing", name)};
  const Setbacks& setbacks = failing->setbacks;
  return {are_to_come(setbacks, now) ? Time() : next_attempt(setbacks, Time(), nth(kept.draw, 1)),
          fmt::format("{} is missing, for: {}", name, failing->words)};
}

// The next try of those that the live version lacks.
std::optional<Due> due_for_missing(const Kept& kept, Time now) {
  std::optional<Due> first;
  if (!is_live(kept)) return first;
  for (const std::string& name : without(kept.names, kept.covered)) {
    Due each = due_again(kept, name, now);
    if (!first || each.at < first->at) first = std::move(each);
  }
  return first;
}

// ---- The decision about one

// What the next order is for: all that is wanted, but the names that the live version already does
// without, or has to from now on.
Names names_to_renew(const Kept& kept, Time now) {
  if (const auto fewer = shrink(kept, now)) return *fewer;
  const Names missing = is_live(kept) ? without(kept.names, kept.covered) : Names();
  Names failing;
  std::ranges::copy_if(missing, std::back_inserter(failing),
                       [&](const std::string& name) { return find_failing(kept, name); });
  return without(kept.names, failing);
}

Action order(const Kept& kept, Names names, Time now, std::string why) {
  Action action{.id = kept.id, .what = Do::order, .at = now, .why = std::move(why)};
  action.left_out = without(kept.names, names);
  action.kind = kind_of(kept, names, now);
  action.names = std::move(names);
  if (!action.left_out.empty())
    action.why += fmt::format("; without {}, which fails", join(action.left_out));
  return action;
}

Action retry(const Kept& kept, Time now, std::string why) {
  Names dead;
  for (const std::string& name : without(kept.names, kept.covered))
    if (due_again(kept, name, now).at > now) dead.push_back(name);
  Action action = order(kept, without(kept.names, dead), now, std::move(why));
  action.retries_names = true;
  return action;
}

Action nothing(const Kept& kept, Due until) {
  return {.id = kept.id, .what = Do::nothing, .at = until.at, .why = std::move(until.why)};
}

// RFC 9773 §4.3: not of one that has expired.
std::optional<Time> next_question(const Kept& kept, Time now) {
  if (!is_live(kept) || kept.revoked || now >= kept.not_after || kept.progress != Progress::none ||
      kept.ask_at == Time::max())
    return std::nullopt;
  return may_be_asked(kept.ask_at, now) ? now : kept.ask_at;
}

// ---- The clock

std::string doubt(const Clocks& clocks) {
  const Seconds off = clocks.expected ? clocks.now - *clocks.expected : Seconds(0);
  if (off <= kMostDoubt && off >= -kMostDoubt) return "";
  return fmt::format("the clock says {}, but it should be {}", to_rfc3339(clocks.now),
                     to_rfc3339(*clocks.expected));
}

Action put_off(Action action, Time until, const std::string& why) {
  action.what = Do::nothing;
  action.at = until;
  action.why += "; waits, because " + why;
  return action;
}

// ---- The limits

// Those whose certificate ends first, and then those that have none.
bool is_more_urgent(const Kept& one, const Kept& other) {
  const auto end = [](const Kept& kept) { return is_live(kept) ? kept.not_after : Time::max(); };
  return end(one) < end(other);
}

// What the orders of one plan leave of the limits; a copy is made for the first of them, since most
// plans have none.
class Room {
 public:
  explicit Room(const LimitLedger& limits) : limits_(limits) {}

  // The order, or that it waits.
  Action fit(const Kept& kept, Action action, Time now) {
    if (kept.progress == Progress::ordered) return action;  // counted when it was made
    if (!left_) left_ = limits_;
    const Intent intent{kept.server, action.names, action.kind};
    if (const auto delay = left_->delay(intent, now)) {
      left_->queue(*delay);
      return put_off(std::move(action), delay->until, delay->why);
    }
    left_->reserve(intent, now);
    return action;
  }

 private:
  const LimitLedger& limits_;
  std::optional<LimitLedger> left_;
};

}  // namespace

Time due_at(const Kept& kept, Time now) { return due(kept, now).at; }

OrderKind kind_of(const Kept& kept, const Names& names, Time now) {
  if (is_live(kept) && kept.window && kept.window->start <= now && now < kept.window->end)
    return OrderKind::replacement;
  return is_live(kept) && same(names, kept.covered) ? OrderKind::renewal : OrderKind::first;
}

std::optional<Names> shrink(const Kept& kept, Time now) {
  if (!is_live(kept) || kept.setbacks.failures < kFailuresOfADeadName) return std::nullopt;
  const Time begin = renewal_time(kept.not_before, kept.not_after);
  if (now < kept.not_after - (kept.not_after - begin) / 3) return std::nullopt;
  Names dead;
  for (const FailingName& each : kept.failing)
    if (each.setbacks.failures >= kFailuresOfADeadName) dead.push_back(each.name);
  Names rest = without(kept.names, dead);
  if (rest.empty() || rest.size() == kept.names.size()) return std::nullopt;
  return rest;
}

Action decide(const Kept& kept, Time now, const PlanOptions& options) {
  if (!kept.is_used) return nothing(kept, {Time::max(), "nothing refers to it any more"});
  if (kept.progress == Progress::ready)
    return {
        .id = kept.id, .what = Do::install, .at = now, .why = "it was issued by an earlier run"};
  if (options.urgency == Urgency::now) return order(kept, kept.names, now, "it was asked for");
  const auto question = next_question(kept, now);
  if (question && *question <= now)
    return {.id = kept.id, .what = Do::ask, .at = now, .why = "the CA may know when to renew it"};
  Due renewal = attempt(kept, now);
  const Time horizon = now + options.until_next_look;
  if (renewal.at <= horizon) return order(kept, names_to_renew(kept, now), now, renewal.why);
  const auto missing = due_for_missing(kept, now);
  if (missing && missing->at <= horizon) return retry(kept, now, missing->why);
  if (missing && missing->at < renewal.at) renewal = *missing;
  Action action = nothing(kept, std::move(renewal));
  if (question) action.at = std::min(action.at, *question);
  return action;
}

Plan plan(std::span<const Kept> inventory, const Clocks& clocks, const LimitLedger& limits,
          const PlanOptions& options) {
  Plan plan{.actions = {}, .next = Time::max(), .doubt = doubt(clocks)};
  Room room(limits);
  std::vector<const Kept*> by_urgency;
  for (const Kept& kept : inventory) by_urgency.push_back(&kept);
  std::ranges::stable_sort(by_urgency,
                           [](const Kept* a, const Kept* b) { return is_more_urgent(*a, *b); });
  for (const Kept* const kept : by_urgency) {
    Action action = decide(*kept, clocks.now, options);
    if (action.what == Do::order && options.urgency == Urgency::when_due)
      action = plan.doubt.empty()
                   ? room.fit(*kept, std::move(action), clocks.now)
                   : put_off(std::move(action), clocks.now + kDoubtLasts, plan.doubt);
    plan.next = std::min(plan.next, action.at);
    plan.actions.push_back(std::move(action));
  }
  std::ranges::stable_partition(plan.actions,
                                [](const Action& each) { return each.what != Do::nothing; });
  return plan;
}

}  // namespace everseal::renew
