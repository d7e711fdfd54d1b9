#include "jobs/dhparam.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/processors.h"
#include "crypto/dh_parameters.h"
#include "jobs/issuer.h"

namespace everseal::jobs {
namespace {

constexpr int kFewestBits = 2048;

}  // namespace

Result<std::vector<std::string>> dhparam_files(const Environment& environment) {
  std::vector<std::string> files;
  const auto add = [&](const std::string& path) -> Result<> {
    const std::string real = TRY(environment.files.real_path(path));
    if (std::ranges::find(files, real) == files.end()) files.push_back(real);
    return {};
  };
  for (const std::string& path : environment.settings.dhparam_files) TRY(add(path));
  if (!files.empty()) return files;
  const auto server = Server::find(environment);
  if (!server && server.error().kind == ErrorKind::not_found) return files;
  if (!server) return std::unexpected(server.error());
  const nginx::Model model = TRY(server->model());
  const std::string ours = server->own_directory() + "/";
  for (const nginx::Server& each : model.servers())
    for (const nginx::Directive* directive : model.effective(each, "ssl_dhparam"))
      if (directive->argument(1).starts_with(ours)) TRY(add(std::string(directive->argument(1))));
  return files;
}

Result<std::string> rfc_group_in(const FileReader& files, const std::string& path) {
  return within(path, crypto::dh_group_of(TRY(files.read(path))));
}

Result<std::string> DhparamChange::make(const std::string& path, const std::string& before) const {
  const int bits = std::max(kFewestBits, TRY(within(path, crypto::dh_bits(before))));
  environment_.reporter.progress(path, fmt::format("looking for a safe prime of {} bits", bits));
  return crypto::generate_dh_parameters(
      {.bits = bits, .threads = base::usable_processors(), .stop = &stop_requested});
}

Result<> DhparamChange::replace(const std::vector<std::string>& paths) {
  server_.emplace(TRY(Server::find(environment_)));
  TRY(server_->test_as_it_stands());
  std::vector<deploy::ChangedFile> files;
  for (const std::string& path : paths) {
    const std::string before = TRY(environment_.files.read(path));
    files.push_back({path, before, TRY(make(path, before))});
  }
  context_.emplace(server_->deployment(state_));
  auto deployment = std::make_unique<deploy::Deployment>(*context_, "new Diffie-Hellman parameters",
                                                         std::vector<std::string>());
  TRY(deployment->put(files));
  if (auto live = server_->reload(); !live) {
    TRY(deployment->restore());
    return live;
  }
  deployment_ = std::move(deployment);
  return {};
}

Result<> DhparamChange::commit() {
  const auto deployment = std::move(deployment_);
  return deployment ? deployment->commit() : Result<>();
}

Result<> DhparamChange::restore() {
  const auto deployment = std::move(deployment_);
  return deployment ? deployment->restore() : Result<>();
}

}  // namespace everseal::jobs
