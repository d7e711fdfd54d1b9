#include "jobs/status.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <tuple>
#include <unordered_map>

#include "base/writable.h"
#include "jobs/chores.h"
#include "jobs/haproxy.h"
#include "jobs/kept.h"
#include "jobs/lasting.h"
#include "jobs/memory.h"
#include "jobs/unfinished.h"
#include "renew/words.h"

namespace everseal::jobs {
namespace {

using base::Seconds;

constexpr int kHistory = 20;
constexpr int kWorryingFailures = 3;  // in a row: after 1, 10 and 100 minutes, or three daily runs

// What is looked up once for all certificates.
struct Known {
  ProgressById progress;
  std::unordered_map<std::int64_t, store::ServedRecord> served;
};

Result<Known> read_known(store::Catalog& catalog) {
  Known known;
  known.progress = TRY(read_progress(catalog));
  for (store::ServedRecord& each : TRY(catalog.served()))
    known.served.emplace(each.certificate_id, std::move(each));
  return known;
}

Result<std::vector<store::CertificateRecord>> find(store::Catalog& catalog,
                                                   const std::string& name) {
  auto certificates = TRY(catalog.certificates());
  if (name.empty()) return certificates;
  std::erase_if(certificates, [&](const store::CertificateRecord& certificate) {
    return std::ranges::find(certificate.names, name) == certificate.names.end();
  });
  if (certificates.empty())
    return base::not_found(fmt::format("no certificate has the name {}", name));
  return certificates;
}

// Expiry of what visitors get is what counts, not of what is on disk.
Time expiry(const CertificateStatus& status) {
  const bool was_seen = status.served && status.served->not_after != Time() &&
                        status.served->sight != store::Sight::unused;
  return was_seen ? status.served->not_after : status.certificate.not_after;
}

CertificateStatus describe(store::CertificateRecord certificate, Known& known) {
  CertificateStatus status{.certificate = std::move(certificate)};
  const std::int64_t id = status.certificate.id;
  if (const auto found = known.progress.find(id); found != known.progress.end())
    status.progress = found->second;
  if (const auto found = known.served.find(id); found != known.served.end())
    status.served = std::move(found->second);
  return status;
}

// Nobody is asked, so that what is next is never the question when to renew.
void decide(std::vector<CertificateStatus>& all, const renew::LimitLedger& limits, Time now) {
  std::vector<renew::Kept> inventory;
  inventory.reserve(all.size());
  std::unordered_map<std::int64_t, CertificateStatus*> by_id;
  for (CertificateStatus& each : all) {
    inventory.push_back(to_kept(each.certificate, each.progress));
    inventory.back().ask_at = Time::max();
    each.is_used = inventory.back().is_used;
    by_id[each.certificate.id] = &each;
  }
  renew::Plan plan = renew::plan(inventory, {.now = now}, limits);
  for (renew::Action& action : plan.actions) by_id[action.id]->next = std::move(action);
}

Result<> add_details(CertificateStatus& status, store::Catalog& catalog,
                     const renew::LimitLedger& limits, Time now) {
  status.history = TRY(catalog.events(status.certificate.name, kHistory));
  const auto& names = status.next.names.empty() ? status.certificate.names : status.next.names;
  status.limits = limits.uses(to_intent(status.certificate, names, now), now);
  return {};
}

// Of what is on its way the files may be either version's.
Result<> look_at_files(CertificateStatus& status, State& state) {
  const store::CertificateRecord& certificate = status.certificate;
  status.is_unfinished = TRY(is_unfinished(state.catalog(), certificate));
  if (certificate.version == 0 || status.progress == renew::Progress::ready) return {};
  const store::CertificateStore& store = state.certificates();
  const auto live = store.live(certificate.name);
  if (live && live->value_or(0) > certificate.version)
    status.is_unknown = **live > TRY(state.catalog().last_version(certificate.id));
  status.is_at_hand =
      store.is_at_hand(certificate.name, certificate.version, certificate.request.empty());
  return {};
}

Result<> look_for_lost(StatusReport& report, const Environment& environment,
                       store::Catalog& catalog) {
  report.lost = TRY(find_lost(environment, &catalog));
  std::erase_if(report.lost, &LostCertificate::is_known);  // said of the certificate itself
  report.loss = lost_in_words(report.lost, environment.settings);
  return {};
}

void sort_by_urgency(std::vector<CertificateStatus>& all) {
  std::vector<std::size_t> order(all.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, {}, [&](std::size_t i) {
    return std::tuple(-static_cast<int>(all[i].level), !all[i].is_used, all[i].expires);
  });
  std::vector<CertificateStatus> sorted;
  sorted.reserve(all.size());
  for (const std::size_t i : order) sorted.push_back(std::move(all[i]));
  all = std::move(sorted);
}

std::string lateness(const StatusReport& report) {
  if (report.last_run != Time()) {
    const Seconds silence = report.now - report.last_run;
    if (silence <= kLongestSilence) return {};
    return fmt::format("everseal renew last ran {} ago", renew::in_words(silence));
  }
  const auto is_old = [&](const CertificateStatus& each) {
    return each.certificate.version > 0 &&
           report.now - each.certificate.last_attempt > kLongestSilence;
  };
  return std::ranges::any_of(report.certificates, is_old) ? "everseal renew never ran" : "";
}

// Of a run after the last that is recorded, of a job that does not end, or of the next run.
std::string hindrance(const Environment& environment, Time last_run, Time now) {
  const std::string& directory = environment.settings.state;
  if (std::string stuck = stuck_holder(environment.settings); !stuck.empty()) return stuck;
  auto memory = MemoryPlaces(directory, ::geteuid()).read();
  const auto kept = environment.files.status(directory);
  if (kept && kept->owner != ::geteuid()) {  // root looks at another's, or has tried to work there
    auto of_owner = MemoryPlaces(directory, kept->owner).read();
    if (of_owner && (!memory || memory->at < of_owner->at)) memory = std::move(of_owner);
  }
  if (!memory || memory->problem.empty() || memory->at < last_run)
    return base::why_unwritable(directory);
  const base::Seconds since = now - memory->at;
  return fmt::format("everseal renew could not do its work {}: {}",
                     since < base::Seconds(2) ? "moments ago" : renew::in_words(since) + " ago",
                     memory->problem);
}

Result<std::vector<MadeThing>> made(store::Catalog& catalog, const std::string& kind) {
  std::vector<MadeThing> found;
  for (store::ChoreRecord& each : TRY(catalog.chores(kind)))
    found.push_back({std::move(each.subject), each.done_at});
  return found;
}

Level overall(const StatusReport& report) {
  const bool is_quiet =
      report.incidents.empty() && report.lateness.empty() && report.hindrance.empty();
  Level level = is_quiet && report.lost.empty() ? Level::ok : Level::warning;
  if (!std::ranges::all_of(report.lost, &LostCertificate::has_files)) level = Level::critical;
  for (const CertificateStatus& each : report.certificates) level = std::max(level, each.level);
  return level;
}

Seconds limit(std::optional<std::chrono::days> given, Seconds by_default, Seconds most) {
  return given ? std::min<Seconds>(*given, most) : by_default;
}

void enter(CertificateStatus& status, Level level, std::string concern) {
  if (level <= status.level) return;
  status.level = level;
  status.concern = std::move(concern);
}

void judge_life(CertificateStatus& status, const Thresholds& thresholds, Time now) {
  const Seconds life = status.certificate.not_after - status.certificate.not_before;
  const Seconds left = status.expires - now;
  if (left <= Seconds(0))
    return enter(status, Level::critical, fmt::format("expired {} ago", renew::in_words(-left)));
  const std::string concern = renew::in_words(left) + " left";
  if (left < limit(thresholds.critical, life / 16, life / 6))
    return enter(status, Level::critical, concern);
  if (left < limit(thresholds.warning, life / 8, life / 3)) enter(status, Level::warning, concern);
}

}  // namespace

std::string_view to_string(Level level) {
  constexpr std::array<std::string_view, 3> kWords = {"ok", "warning", "critical"};
  return kWords[static_cast<std::size_t>(level)];
}

void judge(CertificateStatus& status, const Thresholds& thresholds, Time now) {
  status.level = Level::ok;
  status.concern.clear();
  if (status.is_unfinished)
    return enter(status, Level::warning,
                 "everseal secure ended before nginx had it: run it again, it goes on from there");
  const bool shows_copy = status.served && status.served->sight == store::Sight::wrong;
  if (!status.is_used && !shows_copy) return;
  const store::CertificateRecord& certificate = status.certificate;
  if (certificate.version > 0) judge_life(status, thresholds, now);
  if (certificate.version == 0 && certificate.in_nginx)
    enter(status, Level::critical,
          "nginx's configuration names it and there is none: everseal renew orders it");
  if (status.is_unknown)
    enter(status, Level::warning,
          "an older catalog was put back, which does not know what is live: everseal renew enters "
          "it");
  if (!status.is_at_hand)
    enter(status, Level::critical,
          "its files are missing or damaged: everseal renew puts them right");
  if (status.served && status.served->sight == store::Sight::wrong)
    enter(status, Level::warning, "something else is served");
  if (status.served && status.served->sight == store::Sight::unreachable)
    enter(status, Level::warning, "nobody answers where nginx should serve it");
  if (const auto missing = left_out(certificate); !missing.empty())
    enter(status, Level::warning,
          fmt::format("was renewed without {}{}", missing.front().name,
                      missing.size() == 1 ? "" : fmt::format(" and {} more", missing.size() - 1)));
  if (certificate.failures >= kWorryingFailures ||
      (certificate.failures > 0 && certificate.version == 0))
    enter(status, Level::warning,
          certificate.failures == 1
              ? "failed once"
              : fmt::format("failed {} times in a row", certificate.failures));
}

std::string served_by(const CertificateStatus& status) {
  const store::CertificateRecord& certificate = status.certificate;
  if (certificate.version == 0) return "nobody";
  const bool in_haproxy = is_in_haproxy(certificate);
  const bool was_seen = status.served && status.served->sight != store::Sight::unused;
  std::string by = certificate.in_nginx || (was_seen && !in_haproxy) ? "nginx" : "";
  if (in_haproxy) by += by.empty() ? "haproxy" : ", haproxy";
  if (!by.empty()) return by;
  return status.is_used ? "files" : "nobody";
}

Result<StatusReport> status(const Environment& environment, const StatusOptions& options) {
  StatusReport report{.now = environment.clock.now()};
  auto state = TRY(State::open_to_read(environment));
  if (!state && !options.name.empty())
    return base::not_found(fmt::format("no certificate has the name {}", options.name));
  if (!state) return report;
  store::Catalog& catalog = state->catalog();
  Known known = TRY(read_known(catalog));
  auto certificates = TRY(find(catalog, options.name));
  report.certificates.reserve(certificates.size());
  for (store::CertificateRecord& each : certificates)
    report.certificates.push_back(describe(std::move(each), known));
  const renew::LimitLedger limits = TRY(state->limits(environment.settings));
  decide(report.certificates, limits, report.now);
  for (CertificateStatus& each : report.certificates) {
    each.expires = expiry(each);
    TRY(look_at_files(each, *state));
    if (each.is_unfinished) each.next.why = "everseal secure goes on with it";
    judge(each, options.thresholds, report.now);
    if (!options.name.empty()) TRY(add_details(each, catalog, limits, report.now));
  }
  sort_by_urgency(report.certificates);
  if (options.name.empty()) TRY(look_for_lost(report, environment, catalog));
  report.incidents = TRY(lasting_incidents(environment.settings, catalog));
  report.last_run = TRY(catalog.last(store::Moment::renewal_run));
  report.last_check = TRY(catalog.last(store::Moment::served_check));
  report.account_keys = TRY(made(catalog, kAccountKey));
  report.dhparams = TRY(made(catalog, kDhparam));
  report.lateness = lateness(report);
  report.hindrance = hindrance(environment, report.last_run, report.now);
  report.level = overall(report);
  return report;
}

}  // namespace everseal::jobs
