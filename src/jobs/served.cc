#include "jobs/served.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>
#include <thread>
#include <unordered_map>
#include <unordered_set>

#include "base/stop.h"
#include "jobs/activation.h"
#include "jobs/chronicle.h"
#include "jobs/haproxy.h"
#include "jobs/kept.h"
#include "jobs/server.h"

namespace everseal::jobs {
namespace {

using base::Seconds;

// Less than a day by more than a daily timer's random delay.
constexpr Seconds kUsually = std::chrono::hours(22), kAfterTrouble = std::chrono::hours(1);
constexpr base::Milliseconds kSecondLook{1000};  // a reload takes less
constexpr std::size_t kMostSaid = 8;             // places of one certificate
constexpr int kMostInVain = 3;  // looks at an address where nobody answers, before all is said

// What was seen at one place.
struct Sighting {
  deploy::ServesLeaf expected;
  Result<scan::Leaf> leaf = base::transient("was not looked at");

  bool is_right() const { return leaf && leaf->fingerprint == expected.fingerprint; }
};

// A certificate and where it is looked for.
struct Shown {
  store::CertificateRecord certificate;
  std::vector<Sighting> sightings{};
  bool is_named = false;  // by nginx's configuration, or in HAProxy; else its names may be shown
                          // something else
};

std::string address_of(const nginx::Endpoint& endpoint) {
  return scan::to_string({endpoint.address, static_cast<std::uint16_t>(endpoint.port)});
}

void add_places(Shown& shown, const nginx::Model& model, const nginx::Site& site) {
  std::vector<deploy::Expectation> expectations;
  expect(expectations, model, site, shown.certificate, shown.certificate.fingerprint);
  for (const deploy::Expectation& each : expectations)
    if (const auto* const leaf = std::get_if<deploy::ServesLeaf>(&each))
      shown.sightings.push_back({*leaf});
}

std::vector<Shown> live_ones(const std::vector<store::CertificateRecord>& all) {
  std::vector<Shown> live;
  for (const store::CertificateRecord& each : all)
    if (each.version > 0) live.push_back({each});
  return live;
}

// Where each is to be seen in `model`. nginx may be given any file of its directory.
void add_places(std::vector<Shown>& all, State& state, const nginx::Model& model,
                const nginx::Sites& sites) {
  std::unordered_map<std::string, Shown*> by_directory;
  for (Shown& each : all)
    by_directory[base::directory_of(state.certificates().bundle_path(each.certificate.name))] =
        &each;
  for (const nginx::Site& site : sites.sites)
    for (const nginx::CertificatePair& pair : site.pairs) {
      const auto served = by_directory.find(base::directory_of(pair.certificate));
      if (served == by_directory.end()) continue;
      served->second->is_named = true;
      add_places(*served->second, model, site);
    }
}

void add_places_in_haproxy(std::vector<Shown>& all, const Settings& settings, State& state) {
  for (Shown& shown : all)
    for (deploy::ServesLeaf& each : places_in_haproxy(settings, state, shown.certificate)) {
      shown.is_named = true;
      shown.sightings.push_back({std::move(each)});
    }
}

// Where the names are shown of those that nginx was given and is not any more.
void add_lost_places(std::vector<Shown>& all, const nginx::Model& model, const nginx::Sites& sites,
                     const std::unordered_set<std::int64_t>& given) {
  std::unordered_map<std::string, const nginx::Site*> by_name;
  for (const nginx::Site& site : sites.sites)
    for (const std::string& name : site.names) by_name.emplace(name, &site);
  for (Shown& each : all) {
    if (each.is_named || !given.contains(each.certificate.id)) continue;
    const auto site = by_name.find(each.certificate.name);
    if (site != by_name.end()) add_places(each, model, *site->second);
  }
}

std::vector<std::uint16_t> ports_of(const std::vector<Shown>& all) {
  std::set<std::uint16_t> ports;
  for (const Shown& shown : all)
    for (const Sighting& each : shown.sightings)
      ports.insert(static_cast<std::uint16_t>(each.expected.endpoint.port));
  return {ports.begin(), ports.end()};
}

// Looks at all places that were not seen right yet. An address that keeps silent is not asked for
// every name.
void look(scan::Visitor& visitor, std::vector<Shown>& all) {
  std::map<std::string, int> in_vain;
  for (Shown& served : all)
    for (Sighting& each : served.sightings) {
      if (each.is_right()) continue;
      int& failures = in_vain[address_of(each.expected.endpoint)];
      if (failures >= kMostInVain) {
        each.leaf = base::transient("nobody answers for other names either");
        continue;
      }
      each.leaf = deploy::see(visitor, each.expected);
      failures = each.leaf ? 0 : failures + 1;
    }
}

bool is_all_right(const std::vector<Shown>& all) {
  return std::ranges::all_of(all, [](const Shown& served) {
    return std::ranges::all_of(served.sightings, &Sighting::is_right);
  });
}

// One look at every place and, where something differs, a second one.
class Inspection {
 public:
  Inspection(State& state, Time now) : state_(state), now_(now) {}

  // Of each that has places, or was `given` to nginx once: what was seen.
  Result<std::vector<store::ServedRecord>> judge(const std::vector<Shown>& all,
                                                 const std::unordered_set<std::int64_t>& given) {
    for (const Shown& each : all) by_fingerprint_[each.certificate.fingerprint] = &each;
    std::vector<store::ServedRecord> records;
    for (const Shown& each : all) {
      if (each.sightings.empty() && !given.contains(each.certificate.id)) continue;
      records.push_back(TRY(judge(each)));
      if (!each.is_named) TRY(judge_lost(each, records.back()));
    }
    return records;
  }

 private:
  Result<store::ServedRecord> judge(const Shown& served) {
    store::ServedRecord record{.certificate_id = served.certificate.id, .checked_at = now_};
    std::vector<std::string> problems;
    for (const Sighting& each : served.sightings) {
      const std::string place = address_of(each.expected.endpoint);
      if (std::ranges::find(record.places, place) == record.places.end())
        record.places.push_back(place);
      if (each.leaf && (record.not_after == Time() || each.leaf->not_after < record.not_after)) {
        record.not_after = each.leaf->not_after;
        record.fingerprint = each.leaf->fingerprint;
      }
      if (each.is_right()) continue;
      if (each.leaf)
        record.sight = store::Sight::wrong;
      else if (record.sight == store::Sight::right)
        record.sight = store::Sight::unreachable;
      problems.push_back(TRY(describe(served.certificate, each)));
    }
    record.problem = join(problems);
    return record;
  }

  // Of a copy that nginx was given nobody takes care. Somebody else's certificate is his.
  Result<> judge_lost(const Shown& shown, store::ServedRecord& record) {
    bool is_copy = false;
    for (const Sighting& each : shown.sightings)
      is_copy = is_copy || (each.leaf && TRY(state_.catalog().version_with(
                                             shown.certificate.id, each.leaf->fingerprint)));
    record.sight = is_copy ? store::Sight::wrong : store::Sight::unused;
    std::string problem = is_copy
                              ? "nginx's configuration names a copy of it, which no renewal reaches"
                              : "nginx's configuration does not name it any more";
    record.problem = record.problem.empty() ? problem : problem + '\n' + record.problem;
    return {};
  }

  static std::string join(const std::vector<std::string>& problems) {
    const std::size_t shown = std::min(problems.size(), kMostSaid);
    std::string text = fmt::format(
        "{}",
        fmt::join(problems.begin(), problems.begin() + static_cast<std::ptrdiff_t>(shown), "\n"));
    if (shown < problems.size())
      text += fmt::format("\nand {} more places", problems.size() - shown);
    return text;
  }

  static std::string identity(const std::string& fingerprint, Time not_after) {
    return fmt::format("SHA-256 {}, until {}", fingerprint.substr(0, 16),
                       base::to_rfc3339(not_after));
  }

  Result<std::string> describe(const store::CertificateRecord& certificate,
                               const Sighting& sighting) {
    const std::string place = deploy::seen_at(sighting.expected.endpoint);
    if (!sighting.leaf) {
      const std::string& why = sighting.leaf.error().message;
      return why.starts_with(place) ? why : fmt::format("{}: {}", place, why);
    }
    const scan::Leaf& leaf = *sighting.leaf;
    return fmt::format("{}: shows {} ({}), not version {} ({})", place,
                       TRY(origin(certificate, leaf)), identity(leaf.fingerprint, leaf.not_after),
                       certificate.version,
                       identity(certificate.fingerprint, certificate.not_after));
  }

  // What it is that is shown instead.
  Result<std::string> origin(const store::CertificateRecord& certificate, const scan::Leaf& leaf) {
    if (const auto own = TRY(state_.catalog().version_with(certificate.id, leaf.fingerprint)))
      return fmt::format("version {} of the same certificate", own->number);
    if (const auto other = by_fingerprint_.find(leaf.fingerprint); other != by_fingerprint_.end())
      return fmt::format("the certificate of {}", other->second->certificate.name);
    return fmt::format("a certificate that is not ours, by {}",
                       leaf.issuer.empty() ? "nobody" : leaf.issuer);
  }

  State& state_;
  const Time now_;
  std::unordered_map<std::string, const Shown*> by_fingerprint_;
};

// Those that nginx referred to at the last look, or that it was given.
std::unordered_set<std::int64_t> given_to_nginx(
    const std::vector<store::CertificateRecord>& certificates,
    const std::vector<store::ServedRecord>& last) {
  std::unordered_set<std::int64_t> given;
  for (const store::ServedRecord& each : last) given.insert(each.certificate_id);
  for (const store::CertificateRecord& each : certificates) {
    if (each.in_nginx) given.insert(each.id);
    if (!each.in_nginx && !each.in_haproxy.empty()) given.erase(each.id);  // it was HAProxy's
  }
  return given;
}

void tell(Chronicle& chronicle, const store::CertificateRecord& certificate, store::Sight before,
          const store::ServedRecord& after) {
  using store::EventKind, store::Sight;
  if (before == after.sight) return;
  if (after.sight == Sight::right)
    return chronicle.add(certificate.name, EventKind::agrees,
                         fmt::format("served at {}", fmt::join(after.places, ", ")));
  std::string problem = after.problem;
  std::ranges::replace(problem, '\n', ';');
  chronicle.add(certificate.name,
                after.sight == Sight::unused ? EventKind::unused : EventKind::differs, problem);
}

void enter_changes(const Environment& environment, State& state,
                   const std::vector<store::CertificateRecord>& certificates,
                   const std::vector<store::ServedRecord>& last,
                   const std::vector<store::ServedRecord>& records) {
  std::unordered_map<std::int64_t, store::Sight> before;
  for (const store::ServedRecord& each : last) before[each.certificate_id] = each.sight;
  const auto all = by_id(certificates);
  Chronicle chronicle(environment, state);
  for (const store::ServedRecord& each : records) {
    const auto was = before.find(each.certificate_id);
    tell(chronicle, *all.at(each.certificate_id),
         was == before.end() ? store::Sight::right : was->second, each);
  }
}

}  // namespace

std::vector<UnsecuredName> unsecured_names(const nginx::Sites& sites,
                                           std::span<const store::CertificateRecord> certificates,
                                           const std::string& live) {
  std::unordered_set<std::string> secured, kept;
  for (const store::CertificateRecord& each : certificates) {
    secured.insert(each.names.begin(), each.names.end());
    kept.insert(base::join_path(live, each.name));
  }
  const auto is_kept = [&](const nginx::CertificatePair& pair) {
    return kept.contains(base::directory_of(pair.certificate));
  };
  std::vector<UnsecuredName> found;
  for (const nginx::Site& site : sites.sites) {
    if (site.has_tls && std::ranges::none_of(site.pairs, is_kept)) continue;  // somebody else's
    for (const std::string& name : site.names)
      if (!secured.contains(name)) found.push_back({name, site.where});
  }
  return found;
}

Result<ServedReport> check_served(const Environment& environment, State& state) {
  store::Catalog& catalog = state.catalog();
  const Time now = environment.clock.now();
  const auto before = TRY(catalog.certificates());
  const auto last = TRY(catalog.served());
  const std::unordered_set<std::int64_t> given = given_to_nginx(before, last);
  std::vector<Shown> all = live_ones(before);
  ServedReport report;
  const auto server = Server::find(environment);
  const auto model =
      server ? server->model() : Result<nginx::Model>(std::unexpected(server.error()));
  const bool is_absent = !server || (!model && model.error().kind == ErrorKind::not_found);
  if (!model && !(is_absent && given.empty())) return std::unexpected(model.error());
  if (model) {
    const nginx::Sites sites = nginx::find_sites(*model);
    TRY(note_what_nginx_serves(state, *model));
    add_places(all, state, *model, sites);
    add_lost_places(all, *model, sites, given);
    report.unsecured = unsecured_names(sites, before, environment.settings.state + "/live");
  }
  add_places_in_haproxy(all, environment.settings, state);
  if (!is_all_right(all)) {
    scan::Visitor* const visitor = TRY(environment.workers.visitor(ports_of(all)));
    look(*visitor, all);
    if (!is_all_right(all)) {
      std::this_thread::sleep_for(kSecondLook);
      look(*visitor, all);
    }
  }
  if (base::stop_requested) return base::transient("stopped by a signal");
  report.served = TRY(Inspection(state, now).judge(all, given));
  enter_changes(environment, state, before, last, report.served);
  TRY(catalog.save_served(report.served));
  TRY(catalog.save_last(store::Moment::served_check, now));
  return report;
}

Result<Time> next_check(State& state, Time now) {
  const Time last = TRY(state.catalog().last(store::Moment::served_check));
  const auto troubles = TRY(state.catalog().served_troubles());
  const bool is_wrong = std::ranges::any_of(troubles, [](const store::ServedRecord& each) {
    return each.sight == store::Sight::wrong || each.sight == store::Sight::unreachable;
  });
  if (last > now) return now;
  return last + (is_wrong ? kAfterTrouble : kUsually);
}

}  // namespace everseal::jobs
