// What to do about every certificate that is kept, when, and why: a pure function of what is known.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "acme/resources.h"
#include "base/clock.h"
#include "renew/limits.h"
#include "renew/schedule.h"

namespace everseal::renew {

// How far the next version of a certificate is.
enum class Progress {
  none,
  ordered,  // an order may be under way: it is taken up again, never a second one made
  ready,    // issued, not yet proven to be served
};

// A name that the CA has found not to be ours, in the latest attempts.
struct FailingName {
  std::string name{};
  Setbacks setbacks{};
  std::string words{};  // the CA's; printable
};

// A certificate that is kept, as far as planning goes.
struct Kept {
  std::int64_t id = 0;  // the caller's
  std::string server{};
  std::vector<std::string> names{};    // wanted
  std::vector<std::string> covered{};  // by the live version; none: there is no live version
  Time not_before{}, not_after{};      // of the live version
  bool revoked = false;                // it is
  bool is_used = true;                 // whether anybody is to serve it
  Progress progress = Progress::none;
  Draw draw = 0;                                // of the live version
  std::optional<acme::RenewalWindow> window{};  // as the CA said last; of the live version
  Time ask_at{};                                // when the CA may be asked again
  Setbacks setbacks{};                          // of attempts to renew it
  std::vector<FailingName> failing{};
};

// What is known of the time. A certificate's whole life is a matter of dates, so a clock that is
// wrong would renew all at once, or nothing.
struct Clocks {
  Time now{};
  // What time it should be by somebody else: the steady clock since the last run of this process,
  // or the CA's own (RFC 9110, Date).
  std::optional<Time> expected{};
};

// Whether a person asks for it now, due or not, or a timer may.
enum class Urgency { when_due, now };

struct PlanOptions {
  // How long until the caller plans again, whatever is due; zero: it sleeps to the exact moment.
  // What would come due before that is done now (RFC 9773 §4.2).
  base::Seconds until_next_look{};
  Urgency urgency = Urgency::when_due;
};

enum class Do {
  install,  // the version that is ready
  ask,      // the CA for the renewal window
  order,    // a certificate for `names`
  nothing,  // before `at`
};

// One for each certificate.
struct Action {
  std::int64_t id = 0;
  Do what = Do::nothing;
  Time at{};  // now, or when to look again
  std::vector<std::string> names{};
  std::vector<std::string> left_out{};  // wanted, not in `names`: somebody must be told
  bool retries_names = false;           // the order is for the sake of names that were left out: if
                                        // it fails, that is a setback of theirs alone
  OrderKind kind = OrderKind::first;
  std::string why{};
};

struct Plan {
  std::vector<Action> actions{};  // in the order in which they are to be done, the rest after them
  Time next{};                    // when to plan again; Time::max() if never
  std::string doubt{};            // why the clock is not believed; then nothing is ordered
};

// Decides about all of them at once, for they share the CA's limits: what expires first is served
// first. The limits are a copy; whoever acts counts what really happened.
//
// What a person asks for now is done whatever the limits and the clock say.
//
// By a clock that is a day off `expected` nothing is ordered, and nobody is told to forget
// anything. Without another clock it is believed: a machine that was off for months looks like one
// whose clock is ahead, and has to renew; by one that is behind nothing is due yet. The doubt
// passes an hour later with another word of `expected`, or a clock that was put right.
Plan plan(std::span<const Kept> inventory, const Clocks& clocks, const LimitLedger& limits,
          const PlanOptions& options = {});

// What somebody sees who asks about one certificate: the same decision, regardless of limits.
Action decide(const Kept& kept, Time now, const PlanOptions& options = {});

// When it wants to be renewed, whatever went wrong since.
Time due_at(const Kept& kept, Time now);

// What an order for these names is to the CA.
OrderKind kind_of(const Kept& kept, const std::vector<std::string>& names, Time now);

// Names to order without those that fail: near the end of a certificate's life, in the last third
// of the time that was left to renew it, when the CA has refused some of its names three times in a
// row and others not. nullopt: all of them, for now. Never of the only name.
std::optional<std::vector<std::string>> shrink(const Kept& kept, Time now);

}  // namespace everseal::renew
