#include "jobs/issue.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/encoding.h"
#include "jobs/activation.h"
#include "jobs/haproxy.h"
#include "jobs/hooks.h"
#include "jobs/rights.h"
#include "renew/schedule.h"

namespace everseal::jobs {
namespace {

constexpr std::size_t kMostNames = 400;  // of which all that is said of them fits into a message

Result<store::CertificateRecord> wanted(const Environment& environment, State& state,
                                        std::span<const IssueName> names,
                                        const std::string& request) {
  const Settings& settings = environment.settings;
  if (names.size() > kMostNames)
    return base::invalid(fmt::format(
        "{} names are too many for one certificate (Let's Encrypt takes 100, nobody more than {}): "
        "give fewer, or --separate for one certificate each",
        names.size(), kMostNames));
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
  const bool is_by_nginx = known && known->in_nginx && known->method == store::Method::nginx;
  if (!certificate.webroots.empty())
    certificate.method = store::Method::webroot;
  else if (!is_by_nginx)  // which answers for it, and keeps port 80
    certificate.method = store::Method::standalone;
  certificate.server = settings.server;
  if (!request.empty())
    certificate.key_type = kForeignKey;
  else if (!known || settings.key_type || certificate.key_type == kForeignKey)
    certificate.key_type = crypto::to_string(settings.new_key_type());
  certificate.preferred_chain = settings.preferred_chain;
  if (known && !store::same_request(*known, certificate)) certificate.renew_at = {};
  return certificate;
}

// Before the CA is asked, not by its answer.
Result<> check_webroots(const Environment& environment, std::span<const IssueName> names) {
  for (const IssueName& each : names) {
    if (each.webroot.empty()) continue;
    const auto real = environment.files.real_path(each.webroot);  // it may be a symlink
    if (real && TRY(environment.files.status(*real)).kind == base::FileKind::directory) continue;
    return base::invalid(fmt::format("{}: the webroot {} is no directory{}", each.name,
                                     each.webroot, real ? "" : ": " + real.error().message));
  }
  return {};
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

// The version that an interrupted run got for the same names and did not make live: the CA is not
// asked for another one.
Result<std::optional<Issued>> got_before(State& state, const store::CertificateRecord& certificate,
                                         Time now) {
  if (certificate.id == 0) return std::nullopt;
  const auto known = TRY(state.catalog().certificate(certificate.id));
  if (!known || !store::same_request(*known, certificate)) return std::nullopt;
  auto ready = TRY(state.catalog().version(certificate.id, store::VersionState::ready));
  if (!ready || !std::ranges::is_permutation(ready->names, certificate.names) ||
      renew::renewal_time(ready->not_before, ready->not_after) <= now ||
      !state.certificates().is_complete(certificate.name, ready->number))
    return std::nullopt;
  return Issued{certificate, *std::move(ready)};
}

// How a good certificate's names are proven when it is renewed may be what was asked for.
Result<> note_new_way(const Environment& environment, State& state,
                      const store::CertificateRecord& certificate) {
  const auto known = TRY(state.catalog().certificate(certificate.id));
  if (known && known->method == certificate.method && known->webroots == certificate.webroots)
    return {};
  environment.reporter.note(
      fmt::format("{}: renewals are proven {} from now on", certificate.name,
                  certificate.webroots.empty()
                      ? "by everseal's own server on port 80"
                      : fmt::format("below {}", fmt::join(certificate.webroots, ", "))));
  return {};
}

// From the CA.
Result<IssueReport> order(const Environment& environment, State& state,
                          std::vector<store::CertificateRecord> certificates) {
  if (certificates.empty()) return IssueReport();
  const auto is_standalone = [](const store::CertificateRecord& certificate) {
    return certificate.method == store::Method::standalone;
  };
  if (std::ranges::any_of(certificates, is_standalone)) TRY(check_may_listen_on_port_80());
  Issuer issuer(environment, state, environment.settings.server);
  TRY(issuer.start());
  TRY(state.take_up(certificates));
  TRY(issuer.open_account());
  return issuer.issue(all_names(std::move(certificates)));
}

Result<> make_live(const Environment& environment, State& state, std::vector<Issued> issued,
                   IssueSummary& summary) {
  if (issued.empty()) return {};
  Activation activation(environment, state, std::move(issued));
  for (NotSwitched& failed : activation.switch_links())
    summary.failed.push_back({std::move(failed.certificate), std::move(failed.error), {}});
  TRY(activation.commit(Served::elsewhere));
  for (const Issued& each : activation.versions()) summary.issued.push_back(each.certificate);
  return {};
}

// Until they are live. What is there already is not kept from that by a CA that is away.
Result<IssueSummary> get(const Environment& environment, const IssueOptions& options,
                         State& state) {
  IssueSummary summary;
  std::vector<store::CertificateRecord> certificates;
  std::vector<Issued> before;
  const Request all = TRY(all_wanted(environment, options));
  TRY(check_webroots(environment, all.names));
  std::span<const IssueName> left = all.names;
  while (!left.empty()) {
    const std::size_t count = options.separate ? 1 : left.size();
    auto certificate = TRY(wanted(environment, state, left.first(count), all.request));
    left = left.subspan(count);
    const bool good = certificate.version > 0 && certificate.renew_at > environment.clock.now();
    auto ready =
        options.force ? std::nullopt : TRY(got_before(state, certificate, environment.clock.now()));
    if (ready)
      before.push_back(*std::move(ready));
    else
      (good && !options.force ? summary.unchanged : certificates).push_back(std::move(certificate));
  }
  for (const store::CertificateRecord& each : summary.unchanged)
    TRY(note_new_way(environment, state, each));
  TRY(state.catalog().save_certificates(summary.unchanged));
  TRY(make_live(environment, state, std::move(before), summary));
  IssueReport report = TRY(order(environment, state, std::move(certificates)));
  std::ranges::move(report.failed, std::back_inserter(summary.failed));
  TRY(make_live(environment, state, std::move(report.issued), summary));
  return summary;
}

}  // namespace

Result<IssueSummary> issue(const Environment& environment, const IssueOptions& options) {
  State state = TRY(State::open(environment));
  IssueSummary summary = TRY(get(environment, options, state));
  HaproxyReport haproxy = TRY(put_into_haproxy(environment, state));
  for (NotServed& failed : haproxy.failed)
    summary.failed.push_back({std::move(failed.certificate), std::move(failed.error), {}});
  for (HookFailure& failed : TRY(run_hooks(environment, state))) {
    const Error error = std::move(failed.error).within(failed.what);
    if (failed.certificate.empty())
      for (const store::CertificateRecord& each : summary.issued)
        summary.failed.push_back({each, error, {}});
    else if (auto certificate = TRY(state.catalog().certificate(failed.certificate)))
      summary.failed.push_back({*std::move(certificate), error, {}});
  }
  return summary;
}

}  // namespace everseal::jobs
