// What there is, until when, and what comes next: all that `everseal status` knows.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "jobs/named.h"
#include "jobs/state.h"
#include "renew/limits.h"
#include "renew/plan.h"

namespace everseal::jobs {

// How soon a person is needed.
enum class Level { ok, warning, critical };

// "ok", "warning", "critical".
std::string_view to_string(Level level);

// How much must be left of a certificate, in days; none: an eighth of its life, and a sixteenth. A
// number of days that is given never counts as more than a third of the life, and a sixth: what
// lives for six days is not late at birth.
struct Thresholds {
  std::optional<std::chrono::days> warning{}, critical{};
};

struct StatusOptions {
  std::string name{};  // certificates that have it, with history and limits; empty: all
  Thresholds thresholds{};
};

// A certificate as somebody sees it who asks.
struct CertificateStatus {
  store::CertificateRecord certificate{};
  renew::Progress progress = renew::Progress::none;
  renew::Action next{};                         // what is done next, when and why
  std::optional<store::ServedRecord> served{};  // what nginx shows, as it was seen last
  bool is_used = true;                          // somebody is to serve it: else it may end in peace
  bool is_at_hand = true;                       // live/NAME leads to it, and it can be read
  bool is_unfinished = false;                   // `everseal secure` must be run again (kept.h)
  bool is_unknown = false;                      // a later version is live: the catalog is older
  Time expires{};  // what is served, as far as that is known, else what is live; 0: nothing is
  Level level = Level::ok;
  std::string concern{};  // why it is not ok: "expired 3 days ago"
  // With StatusOptions::name only:
  std::vector<store::EventRecord> history{};      // the newest last
  std::vector<renew::LimitLedger::Use> limits{};  // of its CA, that its next order counts for
};

// A key or parameters that are not a certificate's.
struct MadeThing {
  std::string of{};  // a CA's directory URL; a path
  Time since{};      // 0: not known
};

struct StatusReport {
  Time now{};
  std::vector<CertificateStatus> certificates{};   // the most urgent first
  std::vector<LostCertificate> lost{};             // of which the catalog knows nothing
  std::string loss{};                              // what that is and what helps; or empty
  std::vector<store::IncidentRecord> incidents{};  // that last, told or not
  Time last_run{};                                 // of `everseal renew`; 0: never
  Time last_check{};                               // of what is served; 0: never
  std::string lateness{};   // that `everseal renew` has not run for longer than planned; or empty
  std::string hindrance{};  // why the last run could not work or record, or the next; or empty
  std::vector<MadeThing> account_keys{}, dhparams{};
  Level level = Level::ok;  // of all of it
};

// How long `everseal renew`, which is to run daily, may be silent.
inline constexpr base::Seconds kLongestSilence = std::chrono::days(2);

// Errors: not_found, if no certificate has the name; those of the catalog.
Result<StatusReport> status(const Environment& environment, const StatusOptions& options);

// Enters level and concern.
void judge(CertificateStatus& status, const Thresholds& thresholds, Time now);

// What shows it to visitors, as far as we know: "nginx", "nginx, haproxy", "files", "nobody".
std::string served_by(const CertificateStatus& status);

}  // namespace everseal::jobs
