#include "jobs/issue.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/encoding.h"
#include "jobs/activation.h"
#include "jobs/haproxy.h"
#include "jobs/hooks.h"
#include "jobs/rights.h"

namespace everseal::jobs {
namespace {

Result<store::CertificateRecord> wanted(const Environment& environment, State& state,
                                        std::span<const IssueName> names,
                                        const std::string& request) {
  const Settings& settings = environment.settings;
  const auto known = TRY(state.catalog().certificate(names.front().name));
  store::CertificateRecord certificate = known.value_or(store::CertificateRecord{});
  certificate.request = request;
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
  if (!request.empty())
    certificate.key_type = kForeignKey;
  else if (!known || settings.key_type || certificate.key_type == kForeignKey)
    certificate.key_type = crypto::to_string(settings.new_key_type());
  certificate.preferred_chain = settings.preferred_chain;
  if (known && !store::same_request(*known, certificate)) certificate.renew_at = {};
  return certificate;
}

// What is asked for, with what a certificate request says of it.
struct Request {
  std::vector<IssueName> names;
  std::string request;  // base64url
};

// The request may be a stranger's: it is read where that can do no harm.
Result<Request> all_wanted(const Environment& environment, const IssueOptions& options) {
  if (options.request.empty()) {
    Request wanted{options.names, ""};
    for (IssueName& each : wanted.names)
      if (each.webroot.empty()) each.webroot = options.webroot;
    return wanted;
  }
  const std::string bytes = TRY(environment.files.read(options.request));
  crypto::Verifier* const verifier = TRY(environment.workers.verifier());
  const auto facts = TRY(within(options.request, verifier->read_request(bytes)));
  Request wanted{{}, base::base64url(facts.der)};
  for (const IssueName& each : options.names)
    if (std::ranges::find(facts.names, each.name) == facts.names.end())
      return base::invalid(fmt::format("{} does not ask for {}", options.request, each.name));
  for (const std::string& name : facts.names) {
    if (name.starts_with("*."))
      return base::invalid(fmt::format(
          "{} asks for {}: a wildcard can only be proven by DNS, which this version does not do",
          options.request, name));
    const auto given = std::ranges::find(options.names, name, &IssueName::name);
    const bool has_own = given != options.names.end() && !given->webroot.empty();
    wanted.names.push_back({name, has_own ? given->webroot : options.webroot});
  }
  return wanted;
}

// Until they are live.
Result<IssueSummary> get(const Environment& environment, const IssueOptions& options,
                         State& state) {
  IssueSummary summary;
  std::vector<store::CertificateRecord> certificates;
  const Request all = TRY(all_wanted(environment, options));
  std::span<const IssueName> left = all.names;
  while (!left.empty()) {
    const std::size_t count = options.separate ? 1 : left.size();
    auto certificate = TRY(wanted(environment, state, left.first(count), all.request));
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
  IssueReport report = TRY(issuer.issue(all_names(std::move(certificates))));
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
  for (HookFailure& failed : TRY(run_hooks(environment, state)))
    if (auto certificate = TRY(state.catalog().certificate(failed.certificate)))
      summary.failed.push_back(
          {*std::move(certificate), std::move(failed.error).within(failed.what), {}});
  return summary;
}

}  // namespace everseal::jobs
