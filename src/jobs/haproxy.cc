#include "jobs/haproxy.h"

#include <algorithm>

namespace everseal::jobs {
namespace {

// HAProxy wants the key in the file: one that is not ours cannot go there.
bool goes_there(const Settings& settings, const store::CertificateRecord& certificate) {
  if (!certificate.request.empty()) return false;
  const auto& chosen = settings.haproxy_names;
  return chosen.empty() || std::ranges::any_of(certificate.names, [&](const std::string& name) {
           return std::ranges::find(chosen, name) != chosen.end();
         });
}

bool is_among(const std::vector<std::string>& names, const store::CertificateRecord& certificate) {
  return std::ranges::find(names, certificate.name) != names.end();
}

// Names that a certificate was renewed without are not shown by it.
deploy::LiveBundle bundle_of(State& state, const store::CertificateRecord& certificate) {
  return {certificate.name, certificate.covered, family_of(certificate), certificate.fingerprint,
          state.certificates().bundle_path(certificate.name)};
}

}  // namespace

bool is_in_haproxy(const store::CertificateRecord& certificate) {
  return certificate.version > 0 &&
         certificate.in_haproxy.starts_with(certificate.fingerprint + " in ");
}

std::vector<deploy::ServesLeaf> places_in_haproxy(const Settings& settings, State& state,
                                                  const store::CertificateRecord& certificate) {
  if (!settings.haproxy || !is_in_haproxy(certificate) ||
      !certificate.in_haproxy.ends_with(" in " + settings.haproxy->certificates))
    return {};
  return deploy::places_of(*settings.haproxy, bundle_of(state, certificate));
}

Result<HaproxyReport> put_into_haproxy(const Environment& environment, State& state) {
  HaproxyReport report;
  if (!environment.settings.haproxy) return report;
  const deploy::Haproxy& haproxy = *environment.settings.haproxy;
  auto waiting = TRY(state.catalog().certificates_for_haproxy(haproxy.certificates));
  std::erase_if(waiting, [&](const store::CertificateRecord& certificate) {
    return !goes_there(environment.settings, certificate);
  });
  if (waiting.empty()) return report;

  std::vector<std::uint16_t> ports;
  for (const scan::Target& target : haproxy.listen) ports.push_back(target.port);
  scan::Visitor* const visitor = TRY(environment.workers.visitor(ports));
  std::vector<deploy::LiveBundle> bundles;
  for (const store::CertificateRecord& certificate : waiting)
    bundles.push_back(bundle_of(state, certificate));
  const auto [failures, unheard, untried] =
      deploy::put(haproxy, bundles, environment.files, environment.commands, *visitor);
  for (const store::CertificateRecord& certificate : waiting) {
    if (is_among(untried, certificate)) continue;
    const auto failure = std::ranges::find(failures, certificate.name, &deploy::Disproof::name);
    if (failure == failures.end()) {
      TRY(state.catalog().save_in_haproxy(certificate, haproxy.certificates));
      environment.reporter.done(certificate.name, "shown by HAProxy, proven by handshake");
      report.served.push_back(certificate.name);
    } else {
      Error error = failure->error;
      error.message += "; the next run tries again";
      environment.reporter.failed(certificate.name, error.message);
      report.failed.push_back({certificate, std::move(error), is_among(unheard, certificate)});
    }
  }
  return report;
}

}  // namespace everseal::jobs
