#include "challenge/http01.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <vector>

#include "acme/resources.h"
#include "base/encoding.h"
#include "base/file_descriptor.h"

namespace everseal::challenge {
namespace {

using base::FileDescriptor;

constexpr char kWellKnown[] = ".well-known", kAcmeChallenge[] = "acme-challenge";
constexpr std::size_t kMostChallenges = 100'000;  // that are looked at

// It becomes a file name.
Result<> check_token(std::string_view token) {
  if (acme::is_token(token)) return {};
  return base::invalid(fmt::format("not a token: {}", base::printable(token, 80)));
}

std::string url_path(const std::string& token) { return std::string(kHttp01Path) + token; }

Result<FileDescriptor> open_root(const std::string& webroot) {
  FileDescriptor root(::open(webroot.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root) return base::system_error(fmt::format("open the webroot {}", webroot), errno);
  return root;
}

// The directory `name` in `parent`, which is never a symlink.
Result<FileDescriptor> open_directory(const FileDescriptor& parent, const char* name) {
  open_how how{};
  how.flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  FileDescriptor directory(
      static_cast<int>(::syscall(SYS_openat2, parent.get(), name, &how, sizeof(how))));
  if (!directory) return base::system_error(fmt::format("open the directory {}", name), errno);
  return directory;
}

// Makes the directory if it is missing, with exactly this mode; true if it was.
Result<bool> make_directory(const FileDescriptor& parent, const char* name) {
  if (::mkdirat(parent.get(), name, 0755) == 0) {
    if (::fchmodat(parent.get(), name, 0755, 0) != 0)  // whatever the umask
      return base::system_error(fmt::format("chmod {}", name), errno);
    return true;
  }
  if (errno == EEXIST) return false;
  return base::system_error(fmt::format("make the directory {}", name), errno);
}

// A file that another left there, whatever it is, goes first.
Result<> create_file(const FileDescriptor& directory, const std::string& name,
                     std::string_view bytes) {
  ::unlinkat(directory.get(), name.c_str(), 0);
  const FileDescriptor file(::openat(directory.get(), name.c_str(),
                                     O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644));
  if (!file) return base::system_error(fmt::format("create the challenge {}", name), errno);
  if (::fchmod(file.get(), 0644) != 0)
    return base::system_error(fmt::format("chmod the challenge {}", name), errno);
  auto written = base::write_all(file, bytes, "write the challenge");
  if (!written) ::unlinkat(directory.get(), name.c_str(), 0);
  return written;
}

Result<FileDescriptor> open_challenges(const FileDescriptor& root) {
  return open_directory(TRY(open_directory(root, kWellKnown)), kAcmeChallenge);
}

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

// The names in it, of at most so many that it may hold.
std::vector<std::string> list(const FileDescriptor& directory, std::size_t most) {
  const std::unique_ptr<DIR, CloseDirectory> open(
      ::fdopendir(::openat(directory.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
  std::vector<std::string> names;
  while (const dirent* const entry = open ? ::readdir(open.get()) : nullptr) {
    if (names.size() == most) break;
    names.emplace_back(entry->d_name);
  }
  return names;
}

// Whether it is a file with exactly this in it.
bool holds(const FileDescriptor& directory, const std::string& name, const std::string& content) {
  const FileDescriptor file(
      ::openat(directory.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat found{};
  if (!file || ::fstat(file.get(), &found) != 0 || !S_ISREG(found.st_mode)) return false;
  std::string bytes(content.size() + 1, '\0');
  return ::read(file.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(content.size()) &&
         bytes.starts_with(content);
}

}  // namespace

std::string key_authorization(std::string_view token, std::string_view thumbprint) {
  return fmt::format("{}.{}", token, thumbprint);
}

Result<> WebrootResponder::publish(const std::string& token, const std::string& key_authorization) {
  TRY(check_token(token));
  const std::string context = fmt::format("publish a challenge below {}", webroot_);
  return base::within(context, publish_checked(token, key_authorization));
}

Result<> WebrootResponder::publish_checked(const std::string& token,
                                           const std::string& key_authorization) {
  const auto root = TRY(open_root(webroot_));
  if (TRY(make_directory(root, kWellKnown))) made_.well_known = true;
  const auto well_known = TRY(open_directory(root, kWellKnown));
  if (TRY(make_directory(well_known, kAcmeChallenge))) made_.acme_challenge = true;
  const auto directory = TRY(open_directory(well_known, kAcmeChallenge));
  return create_file(directory, token, key_authorization);
}

void WebrootResponder::sweep(std::string_view thumbprint) {
  const auto root = open_root(webroot_);
  const auto directory = root ? open_challenges(*root) : std::unexpected(root.error());
  if (!directory) return;
  for (const std::string& each : list(*directory, kMostChallenges))
    if (acme::is_token(each) && holds(*directory, each, key_authorization(each, thumbprint)))
      ::unlinkat(directory->get(), each.c_str(), 0);
}

void WebrootResponder::retract(const std::string& token) {
  if (!check_token(token)) return;
  const auto root = open_root(webroot_);
  if (!root) return;
  const auto well_known = open_directory(*root, kWellKnown);
  if (!well_known) return;
  const auto directory = open_directory(*well_known, kAcmeChallenge);
  if (!directory) return;
  ::unlinkat(directory->get(), token.c_str(), 0);
  // A directory with other challenges in it stays: its removal fails.
  if (made_.acme_challenge) ::unlinkat(well_known->get(), kAcmeChallenge, AT_REMOVEDIR);
  if (made_.well_known) ::unlinkat(root->get(), kWellKnown, AT_REMOVEDIR);
}

Result<> StandaloneResponder::publish(const std::string& token,
                                      const std::string& key_authorization) {
  TRY(check_token(token));
  server_.put(url_path(token), key_authorization);
  return {};
}

void StandaloneResponder::retract(const std::string& token) { server_.remove(url_path(token)); }

}  // namespace everseal::challenge
