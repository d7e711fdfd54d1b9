#include "jobs/rights.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <span>
#include <vector>

#include "base/directory.h"
#include "base/file_descriptor.h"
#include "base/path_walk.h"

namespace everseal::jobs {
namespace {

constexpr unsigned kRead = 4, kWrite = 2, kPass = 1;

bool is_below(const std::string& path, const std::string& directory) {
  return path == directory || path.starts_with(base::join_path(directory, ""));
}

bool holds_servers(std::span<const nginx::Statement> statements) {
  return std::ranges::any_of(statements, [](const nginx::Statement& statement) {
    const bool block = statement.ending == nginx::Ending::block;
    return (block && (statement.name() == "http" || statement.name() == "server")) ||
           holds_servers(statement.children);
  });
}

// Paths that are not there need none.
void add(Rights& all, const FileReader& files, const std::string& path, unsigned rights) {
  const auto real = files.real_path(path);
  if (!real) return;
  all[*real] |= rights;
  for (std::string above = *real; above.size() > 1;) {
    above = base::directory_of(above);
    all[above] |= kPass;
  }
}

// Collects the rights.
class Survey {
 public:
  Survey(const FileReader& files, const nginx::Config& config)
      : files_(files),
        config_(config),
        home_(files.real_path(config.directory()).value_or(config.directory())) {}

  Rights run() {
    for (const auto& file : config_.files()) {
      add(base::directory_of(file->path), kRead | kPass);
      add(base::directory_of(file->real_path), kPass);
      add(file->real_path, kRead);
      const bool ours_to_edit = holds_servers(file->document.statements());
      if (ours_to_edit || is_below(file->real_path, home_)) write(file->real_path);
      include_directories(file->document.statements());
    }
    return std::move(rights_);
  }

 private:
  void add(const std::string& path, unsigned rights) { jobs::add(rights_, files_, path, rights); }

  void write(const std::string& file) { add(base::directory_of(file), kRead | kWrite | kPass); }

  // Also those that are empty today.
  void include_directories(std::span<const nginx::Statement> statements) {
    for (const nginx::Statement& statement : statements) {
      include_directories(statement.children);
      if (statement.name() != "include" || statement.words.size() < 2) continue;
      const auto directory =
          files_.real_path(base::directory_of(config_.resolve(statement.words[1].value)));
      if (directory && is_below(*directory, home_)) write(base::join_path(*directory, "*"));
    }
  }

  const FileReader& files_;
  const nginx::Config& config_;
  const std::string home_;  // of the main file
  Rights rights_;
};

}  // namespace

Rights rights_to_edit(const FileReader& files, const nginx::Config& config) {
  return Survey(files, config).run();
}

void add_rights_to_read(Rights& rights, const FileReader& files, const std::string& path) {
  add(rights, files, path, kRead);
}

Result<> check_may_edit(const FileReader& files, const nginx::Config& config) {
  if (::geteuid() == 0) return {};
  for (const auto& [path, rights] : rights_to_edit(files, config)) {
    if ((rights & kWrite) == 0) continue;
    if (::faccessat(AT_FDCWD, path.c_str(), R_OK | W_OK | X_OK, AT_EACCESS) == 0) continue;
    const std::string user = base::user_name(::geteuid());
    return base::rejected(fmt::format(
        "user {0} may not change nginx's configuration ({1}: {2}), so nothing was begun. "
        "Run `everseal setup --user {0}` as root, without --certificates-only; or run "
        "this command as root",
        user, path, ::strerrordesc_np(errno)));
  }
  return {};
}

Result<> check_may_replace(const std::string& path) {
  const std::string directory = base::directory_of(path);
  for (const std::string& each : {path, directory})
    if (::faccessat(AT_FDCWD, each.c_str(), W_OK, AT_EACCESS) != 0 && errno == EROFS)
      return base::rejected(
          fmt::format("{} is mounted read-only: make the change where it comes from", path));
  struct statx file{}, around{};
  const bool known = ::statx(AT_FDCWD, path.c_str(), 0, STATX_MNT_ID, &file) == 0 &&
                     ::statx(AT_FDCWD, directory.c_str(), 0, STATX_MNT_ID, &around) == 0;
  if (known && file.stx_mnt_id != around.stx_mnt_id)
    return base::rejected(fmt::format(
        "{} is mounted into its place and cannot be replaced: make the change where it comes from",
        path));
  return {};
}

// By the file that is written beside it and takes its name. What keeps only the name from being
// taken is asked.
Result<> try_to_replace(const std::string& path) {
  TRY(check_may_replace(path));
  const auto directory = TRY(base::Directory::open(base::directory_of(path)));
  const std::string name = base::name_of(path);
  const base::FileDescriptor file = TRY(directory.open_file(name));
  struct statx found{};
  constexpr std::uint64_t kUnchangeable = STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND;
  if (::statx(file.get(), "", AT_EMPTY_PATH, 0, &found) == 0 &&
      (found.stx_attributes & kUnchangeable) != 0)
    return base::rejected(fmt::format(
        "{0} has an attribute that forbids to replace it; take it away: chattr -ia {0}", path));
  const auto write = [&](const base::FileDescriptor& draft) {
    return base::copy_all(file, draft, fmt::format("write beside {}", path));
  };
  static_cast<void>(TRY(directory.draft(name, write, {})));
  return {};
}

Result<> check_may_listen_on_port_80() {
  const base::FileDescriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(80);
  const bool bound =
      ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  if (bound || errno != EACCES) return {};
  return base::rejected(fmt::format(
      "user {} may not listen on port 80, where the CA asks for the proof: give the directory that "
      "the name's web server shows (-d NAME:WEBROOT), or run this as root",
      base::user_name(::geteuid())));
}

}  // namespace everseal::jobs
