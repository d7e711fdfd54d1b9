#include "jobs/state.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/file_lock.h"
#include "jobs/rights.h"
#include "store/schema.h"

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

std::string catalog_path(const std::string& directory) { return directory + "/catalog.db"; }

// Of what is below the state directory: whether there is more than an empty directory.
bool has_any(const FileReader& files, const std::string& path) {
  const auto names = files.list(path);
  return names && !names->empty();
}

// What only an everseal that had a catalog can have made.
bool has_certificates(const FileReader& files, const std::string& directory) {
  return has_any(files, directory + "/live") || has_any(files, directory + "/certs");
}

std::unexpected<Error> lost(const std::string& directory, std::string_view how) {
  return base::invalid(fmt::format("{} holds certificates, but its catalog.db {}; {}", directory,
                                   how, store::kRemedy));
}

// A catalog that is not there, or has no byte, where what it knew is still there.
Result<> check_not_lost(const FileReader& files, const std::string& directory) {
  const auto status = files.status(catalog_path(directory));
  if (!status && status.error().kind != ErrorKind::not_found)
    return std::unexpected(status.error());
  const bool is_lost = !status || status->size == 0;
  if (!is_lost) return {};
  if (!has_certificates(files, directory) && !has_any(files, directory + "/accounts")) return {};
  return lost(directory, status ? "is empty" : "is missing");
}

}  // namespace

Result<State> State::open_files(const Environment& environment, OpenCatalog open_catalog) {
  const std::string& directory = environment.settings.state;
  const std::string real = TRY(environment.files.real_path(directory));  // it may be a symlink
  TRY(check_not_lost(environment.files, real));
  State state;
  state.catalog_ = std::make_unique<store::Catalog>(TRY(open_catalog(catalog_path(real))));
  if (TRY(state.catalog().is_empty()) && has_certificates(environment.files, real))
    return lost(directory, "knows none");
  state.certificates_ = std::make_unique<store::CertificateStore>(environment.files, directory);
  return state;
}

Result<std::optional<base::FileDescriptor>> State::lock_if_idle(const Environment& environment) {
  const std::string& directory = environment.settings.state;
  TRY(within("state directory", check_owner(environment.files, directory)));
  TRY(within("state directory", base::make_directories(environment.files, directory, 0700)));
  return within("state directory", base::lock_file(lock_path(directory)));
}

Result<base::FileDescriptor> State::lock(const Environment& environment) {
  auto held = TRY(lock_if_idle(environment));
  if (held) return *std::move(held);
  const auto holder = environment.files.read(lock_path(environment.settings.state));
  return base::transient(
      fmt::format("another everseal (process {}) is at work in {}; run again when it is done",
                  holder ? std::atoi(holder->c_str()) : 0, environment.settings.state));
}

Result<State> State::open_locked(const Environment& environment, base::FileDescriptor lock) {
  State state = TRY(within("state directory", open_files(environment, store::Catalog::open)));
  state.lock_ = std::move(lock);
  return state;
}

Result<std::optional<State>> State::open_if_idle(const Environment& environment) {
  auto held = TRY(lock_if_idle(environment));
  if (!held) return std::nullopt;
  return TRY(open_locked(environment, *std::move(held)));
}

Result<State> State::open(const Environment& environment) {
  return open_locked(environment, TRY(lock(environment)));
}

Result<bool> State::is_there(const Environment& environment) {
  const std::string& directory = environment.settings.state;
  if (::geteuid() != 0) TRY(within("state directory", check_owner(environment.files, directory)));
  TRY(within("state directory", check_not_lost(environment.files, directory)));
  return base::exists(environment.files, catalog_path(directory));
}

Result<std::optional<State>> State::open_to_read(const Environment& environment) {
  if (!TRY(is_there(environment))) return std::nullopt;
  return TRY(within("state directory", open_files(environment, store::Catalog::open_to_read)));
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

Result<int> State::next_version(const store::CertificateRecord& certificate) {
  const int known = TRY(catalog().last_version(certificate.id));
  return std::max(known, TRY(certificates().versions(certificate.name)).last()) + 1;
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
