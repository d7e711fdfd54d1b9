// Renewing what is due, and nothing else.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "jobs/issuer.h"
#include "jobs/served.h"
#include "renew/plan.h"

namespace everseal::jobs {

// Which certificates are looked at, of all.
enum class Look {
  at_due,      // also at those that are due and wait: somebody is to hear why
  when_noted,  // when the catalog says so, which holds as long as nobody sets the clock
  at_all,
};

struct RenewOptions {
  std::vector<std::string> names{};  // certificates that have one of them; empty: all
  renew::Urgency urgency = renew::Urgency::when_due;
  Look look = Look::at_due;
  base::Seconds until_next_look{};  // as renew::PlanOptions has it
  std::optional<Time> expected{};   // what time it should be (renew::Clocks)
  bool dry_run = false;             // say what would be done
  KeyChoice keys = KeyChoice::as_set;
};

struct RenewalFailure {
  std::string name;
  Error error;
  bool is_unheard = false;  // HAProxy's socket gave no answer: one trouble for all of them
};

struct RenewSummary {
  std::vector<std::string> renewed;     // by certificate name
  std::vector<std::string> planned;     // in a dry run
  std::vector<std::string> in_haproxy;  // newly shown by it
  std::vector<std::string> unfinished;  // begun by `everseal secure`, which must be run again
  std::vector<RenewalFailure> failed;
  std::vector<std::string> rotated;          // keys and parameters that are new, in words
  std::vector<RenewalFailure> left_undone;   // hooks, copies, rotations; `name` says which
  std::vector<RenewalFailure> failed_steps;  // what else belongs to a run, in words: no certificate
                                             // was kept from being renewed by it
  bool nginx_is_refused = false;             // by its own test: nothing was installed
  std::int64_t certificates = 0;             // all that are kept
  bool others_work = false;                  // another job does: nothing was looked at
  std::optional<Error> unrecorded;           // what was done is not in the catalog
  std::int64_t waiting = 0;                  // of those looked at: to be tried again, but not yet
  std::optional<Time> next_renewal;          // or next try, whichever comes first
  base::Seconds silence{};                   // since the run before, if longer than planned
  std::optional<ServedReport> served;        // if what is served was looked at
  std::optional<Error> not_looked;           // or why it could not be
  std::optional<Time> next_look;             // when there is something to do, ask or decide again
  bool next_looks_are_noted = false;  // of all that was looked at, by a clock that is believed
  std::string doubt;                  // why the clock is not believed: then nothing is renewed
  std::optional<Time> ca_time;        // what time it was by a CA that was asked
};

// Safe to run at any time, any number of times; while another job is at work it
// does nothing unless a person asks, and says to look again in a minute. What keeps a run for all
// certificates from working is told, also without a catalog (MemoryPlaces). Errors: what stops all
// of it; transient, if another job has been at work for longer than kLongestWork.
Result<RenewSummary> renew(const Environment& environment, const RenewOptions& options);

// The same within another job, which has the state open: certificates and nothing else.
Result<RenewSummary> renew_certificates(const Environment& environment, const RenewOptions& options,
                                        State& state);

}  // namespace everseal::jobs
