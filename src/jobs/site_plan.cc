#include "jobs/site_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/domain_name.h"
#include "base/encoding.h"
#include "renew/schedule.h"

namespace everseal::jobs {
namespace {

std::set<std::string> as_set(const std::vector<std::string>& names) {
  return {names.begin(), names.end()};
}

bool serves(State& state, const nginx::Site& site, const store::CertificateRecord& certificate) {
  return std::ranges::find(site.pairs, state.certificates().bundle_path(certificate.name),
                           &nginx::CertificatePair::certificate) != site.pairs.end();
}

// The record whose bundle the site's servers already name, else the one of the site's name.
Result<std::optional<store::CertificateRecord>> find_record(State& state, const nginx::Site& site) {
  for (const nginx::CertificatePair& pair : site.pairs) {
    const std::string directory = base::directory_of(pair.certificate);
    const std::string name = directory.substr(directory.rfind('/') + 1);
    if (pair.certificate != state.certificates().bundle_path(name)) continue;
    auto record = TRY(state.catalog().certificate(name));
    if (record && record->beside.empty()) return record;
  }
  return state.catalog().certificate(site.name);
}

std::string second_name(const store::CertificateRecord& first, crypto::KeyFamily family) {
  return fmt::format("{}-{}", first.name, crypto::to_string(family));
}

// Whether a certificate of the administrator's is one that needs no replacing: it covers all names,
// comes from some CA, and has more than a third of its life left.
Result<bool> is_good(const Environment& environment, const nginx::CertificatePair& pair,
                     const nginx::Site& site) {
  const auto pem = environment.files.read(pair.certificate);
  if (!pem) return false;
  crypto::Verifier* const verifier = TRY(environment.workers.verifier());
  const auto leaf = verifier->inspect(*pem);
  if (!leaf && leaf.error().kind == ErrorKind::invalid) return false;
  if (!leaf) return std::unexpected(leaf.error());
  const Time now = environment.clock.now();
  if (leaf->self_signed || leaf->not_before > now ||
      renew::renewal_time(leaf->not_before, leaf->not_after) <= now)
    return false;
  return std::ranges::all_of(site.names, [&](const std::string& name) {
    return std::ranges::any_of(
        leaf->names, [&](const std::string& pattern) { return base::covers(pattern, name); });
  });
}

std::string date(Time time) { return base::to_rfc3339(time).substr(0, 10); }

class Planner {
 public:
  Planner(const Environment& environment, State* state, Wish wish)
      : environment_(environment), state_(state), wish_(wish) {}

  // One plan, or two where the site has a second certificate or is to get it.
  Result<std::vector<SitePlan>> plan(const nginx::Site& site) {
    const Settings& settings = environment_.settings;
    const auto record = state_ ? TRY(find_record(*state_, site)) : std::nullopt;
    SitePlan first{&site, wanted(site, record, settings.key_type), Need::issue, "new"};
    if (!record) first.certificate.name = site.name;
    if (record) {
      TRY(judge_ours(first, *record));
    } else if (wish_ == Wish::what_is_needed) {
      TRY(judge_foreign(first));
    }
    auto second = first.need == Need::nothing ? std::nullopt : TRY(plan_second(first));
    std::vector<SitePlan> plans = {std::move(first)};
    if (second) plans.push_back(*std::move(second));
    return plans;
  }

 private:
  Result<std::optional<SitePlan>> plan_second(const SitePlan& first) {
    const auto& wish = environment_.settings.second_key_type;
    const crypto::KeyType first_type = TRY(crypto::parse_key_type(first.certificate.key_type));
    const bool first_is_rsa = crypto::family_of(first_type) == crypto::KeyFamily::rsa;
    const auto family = first_is_rsa ? crypto::KeyFamily::ecdsa : crypto::KeyFamily::rsa;
    if (wish && crypto::family_of(*wish) != family)
      return base::invalid(fmt::format(
          "{}: a second certificate with a key of {} beside one of {}: nginx serves one of ECDSA "
          "and one of RSA; choose another second_key_type",
          first.site->name, crypto::to_string(*wish), first.certificate.key_type));
    const std::string name = second_name(first.certificate, family);
    const auto record = state_ ? TRY(state_->catalog().certificate(name)) : std::nullopt;
    if (!wish && !(record && serves(*state_, *first.site, *record))) return std::nullopt;
    SitePlan second{first.site, wanted(*first.site, record, wish), Need::issue, "new"};
    second.certificate.name = name;
    second.certificate.beside = first.certificate.name;
    if (record) TRY(judge_ours(second, *record));
    return second;
  }

  store::CertificateRecord wanted(const nginx::Site& site,
                                  const std::optional<store::CertificateRecord>& record,
                                  const std::optional<crypto::KeyType>& key_type) {
    const Settings& settings = environment_.settings;
    store::CertificateRecord certificate = record.value_or(store::CertificateRecord{});
    if (as_set(certificate.names) != as_set(site.names)) certificate.names = site.names;
    certificate.server = settings.server;
    if (!record || key_type)
      certificate.key_type = crypto::to_string(key_type.value_or(crypto::KeyType::ecdsa_p256));
    if (!settings.preferred_chain.empty()) certificate.preferred_chain = settings.preferred_chain;
    return certificate;
  }

  Result<> judge_ours(SitePlan& plan, const store::CertificateRecord& record) {
    const store::CertificateRecord& certificate = plan.certificate;
    if (certificate.names != record.names) return why(plan, "names changed");
    if (certificate.key_type != record.key_type) return why(plan, "another kind of key");
    if (certificate.server != record.server) return why(plan, "another CA");
    const bool ready =
        TRY(state_->catalog().version(record.id, store::VersionState::ready)).has_value();
    const bool pending =
        TRY(state_->catalog().version(record.id, store::VersionState::pending)).has_value();
    if (pending) return why(plan, "begun by an earlier run");
    if (ready) {
      plan.need = Need::install;
      return why(plan, "issued by an earlier run");
    }
    if (record.version == 0 || !state_->certificates().is_complete(record.name, record.version) ||
        state_->certificates().live(record.name) != record.version)
      return why(plan, "new");
    if (wish_ == Wish::new_certificates) return why(plan, "asked for");
    if (record.renew_at <= environment_.clock.now())
      return why(plan, "expires " + date(record.not_after));
    plan.need = Need::serve;
    return why(plan, "valid until " + date(record.not_after));
  }

  Result<> judge_foreign(SitePlan& plan) const {
    const auto& pairs = plan.site->pairs;
    if (pairs.empty()) return {};
    for (const nginx::CertificatePair& pair : pairs)
      if (pair.is_variable() || !TRY(is_good(environment_, pair, *plan.site))) return {};
    plan.need = Need::nothing;
    return why(plan, fmt::format("keeps its certificate {}, which is good; --force replaces it",
                                 pairs.front().certificate));
  }

  static Result<> why(SitePlan& plan, std::string reason) {
    plan.why = std::move(reason);
    return {};
  }

  const Environment& environment_;
  State* state_;
  Wish wish_;
};

}  // namespace

Result<std::vector<SitePlan>> plan_sites(const Environment& environment, State* state,
                                         std::span<const nginx::Site> sites, Wish wish) {
  Planner planner(environment, state, wish);
  std::vector<SitePlan> plans;
  for (const nginx::Site& site : sites)
    std::ranges::move(TRY(planner.plan(site)), std::back_inserter(plans));
  return plans;
}

namespace {

// As nginx compares a name that was written in another alphabet: never.
bool is_written_otherwise(const nginx::SkippedName& skipped, const std::string& name) {
  if (std::ranges::none_of(skipped.name, [](char c) { return (c & 0x80) != 0; })) return false;
  return base::parse_domain_name(skipped.name) == name;
}

bool may_match(const nginx::Server& server, const std::string& name) {
  return std::ranges::any_of(server.names, [&](const nginx::ServerName& each) {
    return each.kind == nginx::ServerName::Kind::regex &&
           (!each.regex || each.regex->matches(name));
  });
}

// The reason why no site has the name, naming who answers it now and what would give it a site.
std::unexpected<Error> no_site(const nginx::Model& model, const std::string& name) {
  std::string text = fmt::format("no server of the nginx configuration has the name {}", name);
  const nginx::Server* asked = nullptr;
  for (const nginx::Socket& socket : model.sockets()) {
    for (const nginx::Server* server : model.servers_for(socket, name)) {
      if (may_match(*server, name))
        return base::invalid(fmt::format(
            "{}. {} answers it by a regular expression, which stands for other names too that one "
            "certificate does not cover: give it a server of its own with \"server_name {};\", "
            "then run again",
            text, server->where(), name));
      if (asked == nullptr) asked = server;
    }
  }
  if (asked == nullptr) return base::invalid(text);
  return base::invalid(
      fmt::format("{}. {} answers it now, for want of a better one, and is left alone: add "
                  "\"server_name {};\" to the server that is meant, or a server with it, then run "
                  "again",
                  text, asked->where(), name));
}

}  // namespace

Result<std::vector<nginx::Site>> select_sites(const nginx::Model& model, const nginx::Sites& sites,
                                              std::span<const std::string> names) {
  if (names.empty()) return sites.sites;
  std::set<std::size_t> chosen;
  for (const std::string& text : names) {
    const std::string name = TRY(base::parse_domain_name(text));
    const auto has_name = [&](const nginx::Site& site) {
      return std::ranges::find(site.names, name) != site.names.end();
    };
    const auto site = std::ranges::find_if(sites.sites, has_name);
    if (site != sites.sites.end()) {
      chosen.insert(static_cast<std::size_t>(site - sites.sites.begin()));
      continue;
    }
    const auto skipped = std::ranges::find_if(sites.skipped, [&](const nginx::SkippedName& each) {
      return each.name == name || is_written_otherwise(each, name);
    });
    if (skipped != sites.skipped.end())
      return base::invalid(fmt::format("{} ({}:{}): {}", base::printable(skipped->name),
                                       skipped->file, skipped->line, skipped->reason));
    return no_site(model, name);
  }
  std::vector<nginx::Site> selected;
  for (const std::size_t index : chosen) selected.push_back(sites.sites[index]);
  return selected;
}

}  // namespace everseal::jobs
