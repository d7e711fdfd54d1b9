#include "jobs/kept.h"

#include "renew/history.h"

namespace everseal::jobs {
namespace {

constexpr double kParts = 4294967296.0;  // of the catalog's draws

bool has_window(const store::CertificateRecord& record) {
  return record.window.end > record.window.start;
}

}  // namespace

// One whose names or key were changed is due (State::take_up): what is live is not what is wanted.
renew::Kept to_kept(const store::CertificateRecord& record, renew::Progress progress) {
  const bool is_live = record.version > 0 && record.renew_at != Time();
  renew::Kept kept{.id = record.id,
                   .server = record.server,
                   .names = record.names,
                   .covered = is_live ? record.names : std::vector<std::string>(),
                   .not_before = record.not_before,
                   .not_after = record.not_after,
                   .is_used = record.method != store::Method::nginx || record.in_nginx,
                   .progress = progress,
                   .draw = record.draw / kParts,
                   .ask_at = record.renewal_id.empty() ? Time::max() : record.ask_at,
                   .setbacks = {.failures = record.failures,
                                .first = record.first_failure,
                                .last = record.last_attempt,
                                .not_before = record.next_attempt}};
  if (has_window(record))
    kept.window = {record.window.start, record.window.end, record.window.explanation};
  return kept;
}

renew::Intent to_intent(const store::CertificateRecord& record, Time now) {
  return {record.server, record.names,
          renew::kind_of(to_kept(record, renew::Progress::none), record.names, now)};
}

void enter_answer(store::CertificateRecord& record, const acme::RenewalInfo& info, Time now) {
  renew::Kept kept = to_kept(record, renew::Progress::none);
  renew::enter_answer(kept, info, now);
  record.ask_at = kept.ask_at;
  record.window = {};
  if (kept.window) record.window = {kept.window->start, kept.window->end, kept.window->explanation};
  record.renew_at = renew::due_at(kept, now);
}

void enter_failure(store::CertificateRecord& record, const std::string& error,
                   std::optional<Time> retry_at, Time now) {
  if (record.failures++ == 0) record.first_failure = now;
  record.last_error = error;
  record.last_attempt = now;
  record.next_attempt = retry_at.value_or(Time());
  const renew::Kept kept = to_kept(record, renew::Progress::none);
  record.next_attempt = renew::next_attempt(kept.setbacks, kept.not_after, kept.draw);
}

void enter_version(store::CertificateRecord& record, const store::VersionRecord& version,
                   std::uint32_t draw, Time now) {
  record.version = version.number;
  record.not_before = version.not_before;
  record.not_after = version.not_after;
  record.renew_at = renew::renewal_time(version.not_before, version.not_after);
  record.fingerprint = version.fingerprint;
  record.renewal_id = version.renewal_id;
  record.draw = draw;
  record.window = {};
  record.ask_at = {};
  record.failures = 0;
  record.first_failure = {};
  record.last_error.clear();
  record.last_attempt = now;
  record.next_attempt = {};
}

}  // namespace everseal::jobs
