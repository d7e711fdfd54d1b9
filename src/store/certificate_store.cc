#include "store/certificate_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/absence.h"
#include "base/copy_bytes.h"
#include "base/encoding.h"
#include "store/note.h"

namespace everseal::store {
namespace {

// Only the owner: nginx reads the files as root before it gives up its rights.
constexpr mode_t kPrivateFile = 0600;
constexpr mode_t kPrivateDirectory = 0700;

constexpr std::string_view kRequest = "csr.pem";

std::optional<int> to_number(std::string_view digits) {
  int number = 0;
  const char* const end = digits.data() + digits.size();
  const auto parsed = std::from_chars(digits.data(), end, number);
  const bool is_number = parsed.ec == std::errc() && parsed.ptr == end && number > 0;
  return is_number ? std::optional(number) : std::nullopt;
}

// The catalog, which names what is changed here, may have been made by somebody else.
Result<> check_name(const std::string& name) {
  if (!name.empty() && !name.starts_with('.') && !name.contains('/')) return {};
  return base::invalid(fmt::format("'{}' is no certificate's name", base::printable(name)));
}

// Without those that begin with a dot: what a killed run has left half made.
Result<std::vector<std::string>> names_in(const FileReader& files, const std::string& directory) {
  auto names = base::list_if_there(files, directory);
  if (names) std::erase_if(*names, [](const std::string& name) { return name.starts_with('.'); });
  return names;
}

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

Result<> CertificateStore::begin(const std::string& name, int version,
                                 const base::ContentWriter& write_key) {
  return begin_with(name, version, "privkey.pem", write_key);
}

Result<> CertificateStore::begin_by_request(const std::string& name, int version,
                                            const std::string& pem) {
  return begin_with(name, version, kRequest, [&](const base::FileDescriptor& file) {
    return base::write_all(file, pem, "write the certificate request");
  });
}

bool CertificateStore::is_begun_by_request(const std::string& name, int version) const {
  return base::exists(files_, base::join_path(pending_path(name, version), kRequest)) ||
         base::exists(files_, base::join_path(version_path(name, version), kRequest));
}

Result<> CertificateStore::begin_with(const std::string& name, int version, std::string_view file,
                                      const base::ContentWriter& write) {
  TRY(check_name(name));
  const std::string directory = pending_path(name, version);
  TRY(base::remove_tree(files_, directory));  // left by a run that was killed before it was durable
  TRY(base::make_directories(files_, directory, kPrivateDirectory));
  const std::string path = base::join_path(directory, file);
  TRY(files_.create_with(path, write, kPrivateFile));
  TRY(files_.sync(path));
  return files_.sync(directory);
}

Result<base::FileDescriptor> CertificateStore::open_key(const std::string& name,
                                                        int version) const {
  auto pending = files_.open(pending_path(name, version) + "/privkey.pem");
  if (pending || pending.error().kind != ErrorKind::not_found) return pending;
  return files_.open(version_path(name, version) + "/privkey.pem");
}

base::ContentWriter CertificateStore::bundle_writer(const std::string& directory,
                                                    std::uint64_t key_bytes,
                                                    const std::string& chain) const {
  return [&, key_bytes, attempt = fmt::format("write {}/bundle.pem", directory),
          directory](const base::FileDescriptor& bundle) -> Result<> {
    const auto key = TRY(files_.open(directory + "/privkey.pem"));
    TRY(base::copy_bytes(key, bundle, key_bytes, attempt));
    return base::write_all(bundle, chain, attempt);
  };
}

Result<> CertificateStore::complete(const std::string& name, int version,
                                    const crypto::EncodedChain& chain, const std::string& note) {
  TRY(check_name(name));
  if (is_complete(name, version)) return check_is(name, version, chain);
  const std::string directory = pending_path(name, version);
  std::vector<std::pair<std::string, std::string>> contents = {
      {"fullchain.pem", chain.to_pem()},
      {"chain.pem", chain.to_pem(1)},
      {"cert.pem", chain.leaf_pem()},
  };
  if (!note.empty()) contents.emplace_back(kNoteFile, note);
  const bool has_key = !is_begun_by_request(name, version);
  if (has_key) {
    const std::string bundle = directory + "/bundle.pem";
    TRY(base::remove_tree(files_, bundle));
    TRY(files_.create_with(
        bundle, bundle_writer(directory, base::kMaxFileBytes, contents[0].second), kPrivateFile));
  }
  for (const auto& [file, bytes] : contents) {
    const std::string path = fmt::format("{}/{}", directory, file);
    TRY(base::remove_tree(files_, path));
    TRY(files_.create(path, bytes, kPrivateFile));
  }
  if (has_key) TRY(files_.sync(directory + "/bundle.pem"));
  for (const auto& [file, bytes] : contents)
    TRY(files_.sync(fmt::format("{}/{}", directory, file)));
  TRY(files_.sync(directory));
  TRY(files_.rename(directory, version_path(name, version)));
  return files_.sync(versions_path(name));
}

// A catalog that is older than what is on disk may give a number twice.
Result<> CertificateStore::check_is(const std::string& name, int version,
                                    const crypto::EncodedChain& chain) const {
  if (TRY(read(name, version, "cert.pem")) == chain.leaf_pem()) return {};
  return base::rejected(
      fmt::format("{} holds another certificate already: it is kept", version_path(name, version)));
}

Result<> CertificateStore::discard(const std::string& name, int version) {
  TRY(check_name(name));
  return base::remove_tree(files_, pending_path(name, version));
}

Result<> CertificateStore::remove(const std::string& name, int version) {
  TRY(check_name(name));
  if (TRY(live(name)) == version)
    return base::rejected(fmt::format("version {} of {} is live", version, name));
  if (is_complete(name, version)) {
    TRY(discard(name, version));
    TRY(files_.rename(version_path(name, version), pending_path(name, version)));
  }
  return discard(name, version);
}

Result<> CertificateStore::switch_live(const std::string& name, int version) {
  TRY(check_name(name));
  const std::string directory = state_ + "/live";
  TRY(base::make_directories(files_, directory, kPrivateDirectory));
  const std::string temporary = fmt::format("{}/.{}.new", directory, name);
  TRY(base::remove_tree(files_, temporary));
  TRY(files_.make_symlink(fmt::format("../certs/{}/versions/{}", name, version), temporary));
  const std::string link = fmt::format("{}/{}", directory, name);
  TRY(make_way(link));
  TRY(files_.rename(temporary, link));
  return files_.sync(directory);
}

Result<std::optional<int>> CertificateStore::live(const std::string& name) const {
  const std::string path = fmt::format("{}/live/{}", state_, name);
  const auto status = files_.status(path);
  if (!status && status.error().kind == ErrorKind::not_found) return std::nullopt;
  if (!status) return std::unexpected(status.error());
  if (status->kind != base::FileKind::symlink) return std::nullopt;  // switch_live() makes way
  const auto target = files_.read_link(path);
  if (!target) return std::unexpected(target.error());
  const auto version = to_number(std::string_view(*target).substr(target->rfind('/') + 1));
  if (!version)
    return base::invalid(
        fmt::format("{}/live/{} leads to '{}', which is no version", state_, name, *target));
  return version;
}

Result<std::vector<std::string>> CertificateStore::names() const {
  return names_in(files_, state_ + "/certs");
}
Result<std::vector<std::string>> CertificateStore::live_names() const {
  return names_in(files_, state_ + "/live");
}

Result<CertificateStore::Versions> CertificateStore::versions(const std::string& name) const {
  Versions found;
  for (const std::string& each : TRY(names_in(files_, versions_path(name)))) {
    const bool is_pending = each.ends_with(".new");
    const std::string_view digits = std::string_view(each).substr(0, each.size() - 4 * is_pending);
    if (const auto number = to_number(digits))
      (is_pending ? found.pending : found.complete).push_back(*number);
  }
  std::ranges::sort(found.complete);
  std::ranges::sort(found.pending);
  return found;
}

int CertificateStore::Versions::last() const {
  return std::max(complete.empty() ? 0 : complete.back(), pending.empty() ? 0 : pending.back());
}

Result<std::string> CertificateStore::read(const std::string& name, int version,
                                           std::string_view file) const {
  return files_.read(base::join_path(version_path(name, version), file));
}

// A directory cannot be replaced by a rename. What was set aside before stays, too.
Result<> CertificateStore::make_way(const std::string& path) {
  const auto status = files_.status(path);
  if (!status || status->kind != base::FileKind::directory) return {};
  const std::string wanted =
      fmt::format("{}/.{}.set-aside", base::directory_of(path), path.substr(path.rfind('/') + 1));
  std::string aside = wanted;
  for (int i = 2; base::exists(files_, aside); ++i) aside = fmt::format("{}-{}", wanted, i);
  return files_.rename(path, aside);
}

std::string CertificateStore::file_path(const std::string& name, int version,
                                        std::string_view file) const {
  return base::join_path(version_path(name, version), file);
}

Result<base::FileDescriptor> CertificateStore::open_file(const std::string& name, int version,
                                                         std::string_view file) const {
  return files_.open(file_path(name, version, file));
}

bool CertificateStore::is_well_kept(const std::string& name, int version,
                                    std::string_view file) const {
  const auto status = files_.status(file_path(name, version, file));
  const auto directory = files_.status(version_path(name, version));
  return status && directory && status->kind == base::FileKind::regular && status->size > 0 &&
         status->mode == kPrivateFile && status->owner == directory->owner;
}

bool CertificateStore::leads_to(const std::string& name, int version) const {
  return files_.read_link(fmt::format("{}/live/{}", state_, name)) ==
         fmt::format("../certs/{}/versions/{}", name, version);
}

bool CertificateStore::is_at_hand(const std::string& name, int version, bool has_key) const {
  const std::string_view file = has_key ? kBundle : kChain;
  const auto is_there = [&](const std::string& path) {
    const auto status = files_.status(path);
    return status && status->kind == base::FileKind::regular && status->size > 0;
  };
  return is_there(file_path(name, version, file)) &&
         is_there(fmt::format("{}/live/{}/{}", state_, name, file));
}

Result<> CertificateStore::restore(const std::string& name, int version, std::string_view file,
                                   std::string_view pem) {
  const std::string path = file_path(name, version, file);
  TRY(make_way(path));
  return base::write_durably(files_, path, pem, kPrivateFile);
}

Result<> CertificateStore::restore_bundle(const std::string& name, int version,
                                          std::uint64_t key_bytes, const std::string& chain) {
  const std::string path = file_path(name, version, kBundle);
  TRY(make_way(path));
  return base::write_durably_with(
      files_, path, bundle_writer(version_path(name, version), key_bytes, chain), kPrivateFile);
}

Result<> CertificateStore::restore_key(const std::string& name, int version,
                                       std::uint64_t key_bytes) {
  const std::string path = file_path(name, version, kKey);
  TRY(make_way(path));
  const auto copy = [&](const base::FileDescriptor& key) -> Result<> {
    return base::copy_bytes(TRY(open_file(name, version, kBundle)), key, key_bytes,
                            "write " + path);
  };
  return base::write_durably_with(files_, path, copy, kPrivateFile);
}

bool CertificateStore::is_complete(const std::string& name, int version) const {
  return base::exists(files_, version_path(name, version));
}

}  // namespace everseal::store
