#include "jobs/state.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>

#include "base/file_lock.h"
#include "jobs/rights.h"

namespace everseal::jobs {
namespace {

std::string lock_path(const std::string& directory) { return directory + "/lock"; }

// What root makes in the directory of another user that one could not change; and the other way.
Result<> check_owner(const FileReader& files, const std::string& directory) {
  const auto status = files.status(directory);
  if (!status || status->kind != base::FileKind::directory || status->owner == ::geteuid())
    return {};
  const std::string owner = user_name(status->owner);
  if (::geteuid() == 0)
    return base::rejected(
        fmt::format("{0} belongs to user {1}: run everseal as {1}, for example with sudo -u {1}",
                    directory, owner));
  return base::rejected(
      fmt::format("{} belongs to user {}: run everseal as {}, or once, as root, `everseal setup "
                  "--user {}`",
                  directory, owner, owner, user_name(::geteuid())));
}

}  // namespace

Result<State> State::open_files(const Environment& environment) {
  const std::string& directory = environment.settings.state;
  const std::string real = TRY(environment.files.real_path(directory));  // it may be a symlink
  State state;
  state.catalog_ =
      std::make_unique<store::Catalog>(TRY(store::Catalog::open(real + "/catalog.db")));
  state.certificates_ = std::make_unique<store::CertificateStore>(environment.files, directory);
  return state;
}

State State::of(store::Catalog catalog, FileSystem& files, const std::string& directory) {
  State state;
  state.catalog_ = std::make_unique<store::Catalog>(std::move(catalog));
  state.certificates_ = std::make_unique<store::CertificateStore>(files, directory);
  return state;
}

Result<std::optional<State>> State::open_if_idle(const Environment& environment) {
  const std::string& directory = environment.settings.state;
  TRY(within("state directory", check_owner(environment.files, directory)));
  TRY(within("state directory", base::make_directories(environment.files, directory, 0700)));
  auto held = TRY(within("state directory", base::lock_file(lock_path(directory))));
  if (!held) return std::nullopt;
  State state = TRY(within("state directory", open_files(environment)));
  state.lock_ = *std::move(held);
  return state;
}

Result<State> State::open(const Environment& environment) {
  auto state = TRY(open_if_idle(environment));
  if (state) return *std::move(state);
  const auto holder = environment.files.read(lock_path(environment.settings.state));
  return base::transient(
      fmt::format("another everseal (process {}) is at work in {}; run again when it is done",
                  holder ? std::atoi(holder->c_str()) : 0, environment.settings.state));
}

Result<bool> State::is_there(const Environment& environment) {
  const std::string& directory = environment.settings.state;
  if (::geteuid() != 0) TRY(within("state directory", check_owner(environment.files, directory)));
  return base::exists(environment.files, directory + "/catalog.db");
}

Result<std::optional<State>> State::open_to_read(const Environment& environment) {
  if (!TRY(is_there(environment))) return std::nullopt;
  return TRY(within("state directory", open_files(environment)));
}

Result<renew::LimitLedger> State::limits(const Settings& settings) {
  renew::LimitLedger limits(TRY(catalog().limits()));
  if (settings.limits) limits.set_limits(settings.server, settings.limits);
  return limits;
}

Result<> State::take_up(std::vector<store::CertificateRecord>& certificates) {
  for (store::CertificateRecord& certificate : certificates) {
    const auto known = TRY(catalog().certificate(certificate.name));
    if (!known) continue;
    certificate.id = known->id;
    if (!store::same_request(*known, certificate)) TRY(start_over(certificate));
  }
  return catalog().save_certificates(certificates);
}

Result<> State::start_over(store::CertificateRecord& certificate) {
  certificate.renew_at = certificate.next_look = {};
  TRY(discard_pending(certificate));
  auto ready = TRY(catalog().version(certificate.id, store::VersionState::ready));
  if (!ready) return {};
  ready->state = store::VersionState::old;
  return catalog().save_versions({&*ready, 1});
}

Result<> State::discard_pending(const store::CertificateRecord& certificate) {
  const auto pending = TRY(catalog().version(certificate.id, store::VersionState::pending));
  if (!pending) return {};
  TRY(certificates().discard(certificate.name, pending->number));
  return catalog().remove_version(certificate.id, pending->number);
}

std::optional<crypto::KeyFamily> family_of(const store::CertificateRecord& certificate) {
  const auto type = crypto::parse_key_type(certificate.key_type);
  return type ? std::optional(crypto::family_of(*type)) : std::nullopt;
}

}  // namespace everseal::jobs
