#include "store/certificate_store.h"

#include <fmt/format.h>

#include <array>
#include <charconv>

namespace everseal::store {
namespace {

// Only the owner: nginx reads the files as root before it gives up its rights.
constexpr mode_t kPrivateFile = 0600;
constexpr mode_t kPrivateDirectory = 0700;

}  // namespace

std::string CertificateStore::versions_path(const std::string& name) const {
  return fmt::format("{}/certs/{}/versions", state_, name);
}
std::string CertificateStore::version_path(const std::string& name, int version) const {
  return fmt::format("{}/{}", versions_path(name), version);
}
std::string CertificateStore::pending_path(const std::string& name, int version) const {
  return version_path(name, version) + ".new";
}
std::string CertificateStore::bundle_path(const std::string& name) const {
  return fmt::format("{}/live/{}/bundle.pem", state_, name);
}

Result<> CertificateStore::begin(const std::string& name, int version, std::string_view key_pem) {
  const std::string directory = pending_path(name, version);
  TRY(base::remove_tree(files_, directory));  // left by a run that was killed before it was durable
  TRY(base::make_directories(files_, directory, kPrivateDirectory));
  const std::string path = directory + "/privkey.pem";
  TRY(files_.create(path, key_pem, kPrivateFile));
  TRY(files_.sync(path));
  return files_.sync(directory);
}

Result<std::string> CertificateStore::key(const std::string& name, int version) const {
  auto pending = files_.read(pending_path(name, version) + "/privkey.pem");
  if (pending || pending.error().kind != ErrorKind::not_found) return pending;
  return files_.read(version_path(name, version) + "/privkey.pem");
}

Result<> CertificateStore::complete(const std::string& name, int version,
                                    const crypto::CertificateChain& chain) {
  if (is_complete(name, version)) return {};
  const std::string directory = pending_path(name, version);
  const std::string key = TRY(files_.read(directory + "/privkey.pem"));
  const std::array<std::pair<std::string, std::string>, 4> contents = {{
      {"bundle.pem", key + chain.to_pem()},
      {"fullchain.pem", chain.to_pem()},
      {"chain.pem", chain.intermediates_pem()},
      {"cert.pem", chain.leaf().pem()},
  }};
  for (const auto& [file, bytes] : contents) {
    const std::string path = fmt::format("{}/{}", directory, file);
    TRY(base::remove_tree(files_, path));
    TRY(files_.create(path, bytes, kPrivateFile));
  }
  for (const auto& [file, bytes] : contents)
    TRY(files_.sync(fmt::format("{}/{}", directory, file)));
  TRY(files_.sync(directory));
  TRY(files_.rename(directory, version_path(name, version)));
  return files_.sync(versions_path(name));
}

Result<> CertificateStore::discard(const std::string& name, int version) {
  return base::remove_tree(files_, pending_path(name, version));
}

Result<> CertificateStore::switch_live(const std::string& name, int version) {
  const std::string directory = state_ + "/live";
  TRY(base::make_directories(files_, directory, kPrivateDirectory));
  const std::string temporary = fmt::format("{}/.{}.new", directory, name);
  TRY(base::remove_tree(files_, temporary));
  TRY(files_.make_symlink(fmt::format("../certs/{}/versions/{}", name, version), temporary));
  TRY(files_.rename(temporary, fmt::format("{}/{}", directory, name)));
  return files_.sync(directory);
}

Result<std::optional<int>> CertificateStore::live(const std::string& name) const {
  const auto target = files_.read_link(fmt::format("{}/live/{}", state_, name));
  if (!target && target.error().kind == ErrorKind::not_found) return std::nullopt;
  if (!target) return std::unexpected(target.error());
  int version = 0;
  const char* end = target->data() + target->size();
  const auto parsed = std::from_chars(target->data() + target->rfind('/') + 1, end, version);
  if (parsed.ec != std::errc() || parsed.ptr != end)
    return base::invalid(
        fmt::format("{}/live/{} leads to '{}', which is no version", state_, name, *target));
  return version;
}

Result<crypto::CertificateChain> CertificateStore::chain(const std::string& name,
                                                         int version) const {
  return crypto::CertificateChain::from_pem(
      TRY(files_.read(version_path(name, version) + "/fullchain.pem")));
}

bool CertificateStore::is_complete(const std::string& name, int version) const {
  return base::exists(files_, version_path(name, version));
}

}  // namespace everseal::store
