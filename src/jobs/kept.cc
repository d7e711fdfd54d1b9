#include "jobs/kept.h"

#include <algorithm>

#include "renew/history.h"

namespace everseal::jobs {
namespace {

constexpr double kParts = 4294967296.0;  // of the catalog's draws

// Of a certificate whose names or key were changed is due (State::take_up): what is live is not
// what is wanted.
bool has_live_version(const store::CertificateRecord& record) {
  return record.version > 0 && record.renew_at != Time();
}

// What plan() knows better than the catalog, back into it.
void from_kept(store::CertificateRecord& record, const renew::Kept& kept, Time now) {
  record.ask_at = kept.ask_at;
  record.window = {};
  if (kept.window) record.window = {kept.window->start, kept.window->end, kept.window->explanation};
  record.failures = kept.setbacks.failures;
  record.first_failure = kept.setbacks.first;
  record.next_attempt = kept.setbacks.failures > 0
                            ? renew::next_attempt(kept.setbacks, kept.not_after, kept.draw)
                            : Time();
  record.failing.clear();
  for (const renew::FailingName& each : kept.failing)
    record.failing.push_back(
        {each.name, each.setbacks.failures, each.setbacks.first, each.setbacks.last, each.words});
  if (has_live_version(record)) record.renew_at = renew::due_at(kept, now);
  record.next_look = next_look(renew::decide(kept, now), now);
}

}  // namespace

Result<ProgressById> read_progress(store::Catalog& catalog) {
  ProgressById all;
  for (const store::VersionRecord& each : TRY(catalog.unfinished_versions())) {
    renew::Progress& progress = all[each.certificate_id];
    if (progress != renew::Progress::ordered)
      progress = each.state == store::VersionState::pending ? renew::Progress::ordered
                                                            : renew::Progress::ready;
  }
  return all;
}

RecordsById by_id(std::span<const store::CertificateRecord> certificates) {
  RecordsById all;
  for (const store::CertificateRecord& each : certificates) all.emplace(each.id, &each);
  return all;
}

renew::Kept to_kept(const store::CertificateRecord& record, renew::Progress progress) {
  renew::Kept kept{.id = record.id,
                   .server = record.server,
                   .names = record.names,
                   .covered = {},
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
  if (has_live_version(record)) kept.covered = record.covered;
  if (record.window.end > record.window.start)
    kept.window = {record.window.start, record.window.end, record.window.explanation};
  for (const store::FailingName& each : record.failing)
    kept.failing.push_back({.name = each.name,
                            .setbacks = {.failures = each.failures,
                                         .first = each.first,
                                         .last = each.last,
                                         .not_before = {}},
                            .words = each.words});
  return kept;
}

std::vector<store::FailingName> left_out(const store::CertificateRecord& record) {
  std::vector<store::FailingName> names;
  if (record.version == 0) return names;
  std::ranges::copy_if(
      record.failing, std::back_inserter(names), [&](const store::FailingName& each) {
        return std::ranges::find(record.covered, each.name) == record.covered.end();
      });
  return names;
}

bool waits_for_secure(const store::CertificateRecord& record) {
  return record.version == 0 && record.method == store::Method::nginx && !record.in_nginx;
}

Time next_look(const renew::Action& action, Time now) {
  return std::min(action.at, now + std::chrono::days(1));
}

renew::Intent to_intent(const store::CertificateRecord& record,
                        const std::vector<std::string>& names, Time now) {
  return {record.server, names, renew::kind_of(to_kept(record, renew::Progress::none), names, now)};
}

void enter_answer(store::CertificateRecord& record, const acme::RenewalInfo& info, Time now) {
  renew::Kept kept = to_kept(record, renew::Progress::none);
  renew::enter_answer(kept, info, now);
  from_kept(record, kept, now);
}

void enter_failure(store::CertificateRecord& record, const renew::Action& action,
                   const acme::Outcome& outcome, Time now) {
  renew::Kept kept = to_kept(record, renew::Progress::none);
  renew::enter_failure(kept, action, outcome, now);
  if (!action.retries_names) record.last_error = outcome.chain.error().message;
  record.last_attempt = now;
  from_kept(record, kept, now);
}

void enter_version(store::CertificateRecord& record, const store::VersionRecord& version,
                   std::uint32_t draw, Time now) {
  record.version = version.number;
  record.not_before = version.not_before;
  record.not_after = version.not_after;
  record.key_since = version.key_since;
  record.renew_at = renew::renewal_time(version.not_before, version.not_after);
  record.covered = version.names.empty() ? record.names : version.names;
  record.fingerprint = version.fingerprint;
  record.renewal_id = version.renewal_id;
  record.draw = draw;
  record.last_error.clear();
  record.last_attempt = now;
  renew::Kept kept = to_kept(record, renew::Progress::none);
  renew::enter_version(kept, {.names = record.covered,
                              .not_before = version.not_before,
                              .not_after = version.not_after,
                              .draw = kept.draw});
  if (record.renewal_id.empty()) kept.ask_at = Time::max();
  from_kept(record, kept, now);
}

}  // namespace everseal::jobs
