#include "jobs/issue.h"

#include <fmt/format.h>

#include <algorithm>

#include "jobs/activation.h"
#include "jobs/haproxy.h"
#include "jobs/rights.h"

namespace everseal::jobs {
namespace {

Result<store::CertificateRecord> wanted(const Environment& environment, State& state,
                                        std::span<const IssueName> names) {
  const Settings& settings = environment.settings;
  const auto known = TRY(state.catalog().certificate(names.front().name));
  store::CertificateRecord certificate = known.value_or(store::CertificateRecord{});
  certificate.name = names.front().name;
  certificate.names.clear();
  certificate.webroots.clear();
  for (const IssueName& each : names) {
    certificate.names.push_back(each.name);
    if (!each.webroot.empty()) certificate.webroots.push_back(each.webroot);
  }
  if (!certificate.webroots.empty() && certificate.webroots.size() != names.size())
    return base::invalid(
        "some names have a webroot and some have none: give NAME:WEBROOT for each, or for none");
  certificate.method =
      certificate.webroots.empty() ? store::Method::standalone : store::Method::webroot;
  certificate.server = settings.server;
  if (!known || settings.key_type)
    certificate.key_type = crypto::to_string(settings.new_key_type());
  certificate.preferred_chain = settings.preferred_chain;
  if (known && !store::same_request(*known, certificate)) certificate.renew_at = {};
  return certificate;
}

// Until they are live.
Result<IssueSummary> get(const Environment& environment, const IssueOptions& options,
                         State& state) {
  IssueSummary summary;
  std::vector<store::CertificateRecord> certificates;
  std::vector<Wanted> orders;
  std::span<const IssueName> left = options.names;
  while (!left.empty()) {
    const std::size_t count = options.separate ? 1 : left.size();
    auto certificate = TRY(wanted(environment, state, left.first(count)));
    left = left.subspan(count);
    const bool good = certificate.version > 0 && certificate.renew_at > environment.clock.now();
    (good && !options.force ? summary.unchanged : certificates).push_back(std::move(certificate));
  }
  if (certificates.empty()) return summary;
  const auto is_standalone = [](const store::CertificateRecord& certificate) {
    return certificate.method == store::Method::standalone;
  };
  if (std::ranges::any_of(certificates, is_standalone)) TRY(check_may_listen_on_port_80());
  Issuer issuer(environment, state, environment.settings.server);
  TRY(issuer.start());
  TRY(state.take_up(certificates));
  TRY(issuer.open_account());
  for (store::CertificateRecord& each : certificates) orders.push_back({std::move(each)});
  IssueReport report = TRY(issuer.issue(std::move(orders)));
  summary.failed = std::move(report.failed);
  Activation activation(environment, state, std::move(report.issued));
  TRY(activation.switch_links());
  TRY(activation.commit(Served::elsewhere));
  for (const Issued& issued : activation.versions()) summary.issued.push_back(issued.certificate);
  return summary;
}

}  // namespace

Result<IssueSummary> issue(const Environment& environment, const IssueOptions& options) {
  State state = TRY(State::open(environment));
  IssueSummary summary = TRY(get(environment, options, state));
  HaproxyReport haproxy = TRY(put_into_haproxy(environment, state));
  for (NotServed& failed : haproxy.failed)
    summary.failed.push_back({std::move(failed.certificate), std::move(failed.error), {}});
  return summary;
}

}  // namespace everseal::jobs
