#include "jobs/activation.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "crypto/random.h"
#include "jobs/kept.h"

namespace everseal::jobs {
namespace {

// Who can reach the sockets of `model`, and these only.
Result<scan::Visitor*> visitor_of(const Environment& environment, const nginx::Model& model) {
  std::vector<std::uint16_t> ports = {80, 443};
  for (const nginx::Socket& socket : model.sockets()) {
    std::uint16_t port = 0;
    const char* const end = socket.port.data() + socket.port.size();
    if (std::from_chars(socket.port.data(), end, port).ptr == end) ports.push_back(port);
  }
  return environment.workers.visitor(ports);
}

}  // namespace

std::uint32_t random_draw() {
  std::uint32_t draw = 0;
  std::memcpy(&draw, crypto::random_bytes(sizeof draw).data(), sizeof draw);
  return draw;
}

Result<> Activation::switch_link(const Issued& issued) {
  const std::string& name = issued.certificate.name;
  const auto live = TRY(state_.certificates().live(name));
  TRY(state_.certificates().switch_live(name, issued.version.number));
  before_[name] = live.value_or(0);
  return {};
}

std::vector<NotSwitched> Activation::switch_links() {
  std::vector<NotSwitched> failed;
  for (const Issued& issued : versions_)
    if (const auto switched = switch_link(issued); !switched)
      failed.push_back({issued.certificate, switched.error()});
  for (const NotSwitched& each : failed) {
    environment_.reporter.failed(each.certificate.name, each.error.message);
    give_up(each.certificate.name, each.error.message);
  }
  return failed;
}

// A certificate that had no version before keeps the link: nothing refers to it.
void Activation::switch_back(const Issued& issued, std::string_view why) {
  const std::string& name = issued.certificate.name;
  chronicle_.add(name, store::EventKind::taken_back,
                 fmt::format("version {}: {}", issued.version.number, why));
  const auto before = before_.find(name);
  if (before == before_.end() || before->second == 0) return;
  if (const auto back = state_.certificates().switch_live(name, before->second); !back)
    environment_.reporter.failed(name, back.error().message);
}

void Activation::give_up(const std::string& name, std::string_view why) {
  const auto issued = std::ranges::find_if(
      versions_, [&](const Issued& each) { return each.certificate.name == name; });
  if (issued == versions_.end()) return;
  switch_back(*issued, why);
  versions_.erase(issued);
}

void Activation::give_up_all(std::string_view why) {
  for (const Issued& issued : versions_) switch_back(issued, why);
  versions_.clear();
}

Result<> Activation::commit(Served served) {
  TRY(record(served));
  forget_old_versions();
  return {};
}

Result<> Activation::record(Served served) {
  if (versions_.empty()) return {};
  std::vector<store::CertificateRecord> certificates;
  std::vector<store::VersionRecord> versions;
  for (Issued& issued : versions_) {
    store::CertificateRecord& certificate = issued.certificate;
    store::VersionRecord& version = issued.version;
    version.state = store::VersionState::live;
    certificate.in_nginx = served == Served::by_nginx;
    enter_version(certificate, version, random_draw(), environment_.clock.now());
    versions.push_back(version);
    certificates.push_back(certificate);
  }
  TRY(state_.catalog().make_live(certificates, versions));
  const char* const proof = served == Served::by_nginx ? ", proven to be served by nginx" : "";
  for (const store::CertificateRecord& each : certificates)
    chronicle_.add(each.name, store::EventKind::installed,
                   fmt::format("version {}{}", each.version, proof));
  for (const store::CertificateRecord& each : certificates)
    for (const store::FailingName& name : left_out(each))
      chronicle_.add(each.name, store::EventKind::left_out,
                     fmt::format("{}: {}", name.name, name.words));
  chronicle_.enter();
  return {};
}

void Activation::forget_old_versions() {
  for (const Issued& each : versions_)
    if (const auto done = forget_old_versions(each.certificate); !done)
      environment_.reporter.note(
          fmt::format("{}: {}", each.certificate.name, done.error().message));
}

Result<> Activation::forget_old_versions(const store::CertificateRecord& certificate) {
  const std::vector<int> old = TRY(state_.catalog().old_versions(certificate.id));
  for (std::size_t i = 1; i < old.size(); ++i) {
    TRY(state_.certificates().remove(certificate.name, old[i]));
    TRY(state_.catalog().remove_version(certificate.id, old[i]));
  }
  return {};
}

void expect(std::vector<deploy::Expectation>& expectations, const nginx::Model& model,
            const nginx::Site& site, const store::CertificateRecord& certificate,
            const std::string& fingerprint) {
  const auto key = family_of(certificate);
  for (const nginx::Endpoint& endpoint : nginx::endpoints(model, site)) {
    if (endpoint.tls) expectations.push_back(deploy::ServesLeaf{endpoint, key, fingerprint});
    if (endpoint.redirects) expectations.push_back(deploy::Redirects{endpoint});
  }
}

std::vector<deploy::AnswersChallenge> answers_of(const nginx::Model& model, const nginx::Site& site,
                                                 const std::string& thumbprint) {
  std::vector<deploy::AnswersChallenge> answers;
  for (const nginx::Endpoint& endpoint : nginx::endpoints(model, site))
    if (!endpoint.tls && endpoint.port == 80)  // RFC 8555 §8.3
      answers.push_back({endpoint, thumbprint});
  return answers;
}

Result<std::vector<deploy::Disproof>> prove(const Environment& environment,
                                            const nginx::Model& model,
                                            std::span<const deploy::Expectation> expectations) {
  if (expectations.empty()) return std::vector<deploy::Disproof>();
  scan::Visitor* const visitor = TRY(visitor_of(environment, model));
  return deploy::prove(*visitor, expectations, deploy::kPatience);
}

}  // namespace everseal::jobs
