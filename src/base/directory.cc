#include "base/directory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>

#include "base/attributes.h"
#include "base/listing.h"
#include "base/path_walk.h"

namespace everseal::base {
namespace {

// Opens one name in a directory: without "/" and not "..", so that O_NOFOLLOW alone keeps it there.
// openat2 would not do: systemd's RestrictSUIDSGID= forbids it, whose flags no filter can read.
FileDescriptor open_one(const FileDescriptor& directory, const std::string& name, int flags,
                        mode_t mode = 0) {
  return FileDescriptor(
      ::openat(directory.get(), name.c_str(), flags | O_NOFOLLOW | O_CLOEXEC, mode));
}

// A failed act on something that others may have put there.
std::unexpected<Error> refusal(const std::string& attempt, int code) {
  switch (code) {
    case ELOOP:
      return rejected(attempt + ": a symlink is in its place, which is not followed");
    case ENOTDIR:
      return rejected(attempt + ": something else than a directory is in its place");
    case EISDIR:
      return rejected(attempt + ": a directory is in its place; remove it");
    case EEXIST:
      return rejected(attempt + ": something is in its place already");
    default:
      return system_error(attempt, code);
  }
}

std::string temporary_name(std::string_view name) { return fmt::format(".{}.everseal", name); }

}  // namespace

Result<Directory> Directory::open(const std::string& path) {
  // As a rule there is no symlink on the way, and nothing to decide. Where a filter of systemd has
  // no openat2 every way is walked.
  open_how how{};
  how.flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_NO_SYMLINKS;
  FileDescriptor handle(
      static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, path.c_str(), &how, sizeof(how))));
  if (handle) return Directory(std::move(handle), path);
  Destination found = TRY(walk(path));
  if (!S_ISDIR(found.status.st_mode)) return invalid(fmt::format("{}: not a directory", path));
  return Directory(std::move(found.handle), std::move(found.path));
}

Result<> Directory::check_name(std::string_view name) const {
  const bool is_one =
      !name.empty() && name != "." && name != ".." && !name.contains('/') && !name.contains('\0');
  if (is_one) return {};
  return invalid(fmt::format("'{}' is not the name of a file in {}", name, path_));
}

Result<Directory> Directory::open_directory(const std::string& name) const {
  TRY(check_name(name));
  FileDescriptor handle = open_one(handle_, name, O_PATH | O_DIRECTORY);
  if (handle) return Directory(std::move(handle), at(name));
  const int code = errno;
  const auto there = status(name);
  const bool is_link = code == ENOTDIR && there && there->kind == FileKind::symlink;
  return refusal(fmt::format("open the directory {}", at(name)), is_link ? ELOOP : code);
}

// What mkdirat has made may have been moved away since. Where the directory above gave it other
// bits (set-group-id, a default access list), the mode is given to what was opened, if that is ours
// and empty, as ours is.
Result<> Directory::take_as_made(const std::string& name, mode_t mode) const {
  const std::string attempt = fmt::format("make the directory {}", at(name));
  const FileDescriptor made = open_one(handle_, name, O_RDONLY | O_DIRECTORY);
  struct stat status{};
  if (!made || ::fstat(made.get(), &status) != 0) return refusal(attempt, errno);
  if ((status.st_mode & 07777) == mode) return {};
  const Directory found(FileDescriptor(::dup(made.get())), at(name));
  if (status.st_uid != ::geteuid() || !TRY(found.list(1)).empty())
    return rejected(attempt + ": another user has put something else in its place");
  if (::fchmod(made.get(), mode) != 0) return system_error(attempt, errno);
  return {};
}

Result<Directory::Made> Directory::make_directory(const std::string& name, mode_t mode) const {
  TRY(check_name(name));
  const mode_t mask = ::umask(0);  // it has its mode from the beginning
  const int code = ::mkdirat(handle_.get(), name.c_str(), mode) == 0 ? 0 : errno;
  ::umask(mask);
  const bool is_new = code == 0;
  if (!is_new && code != EEXIST)
    return system_error(fmt::format("make the directory {}", at(name)), code);
  if (is_new) TRY(take_as_made(name, mode));
  return Made{TRY(open_directory(name)), is_new};
}

Result<Directory> Directory::create_directory(const std::string& name, mode_t mode) const {
  Made made = TRY(make_directory(name, mode));
  const bool is_ours = made.is_new && TRY(made.directory.status()).owner == ::geteuid();
  if (!is_ours) return refusal(fmt::format("make the directory {}", at(name)), EEXIST);
  return std::move(made.directory);
}

Result<> Directory::create_symlink(const std::string& name, const std::string& target) const {
  TRY(check_name(name));
  if (::symlinkat(target.c_str(), handle_.get(), name.c_str()) == 0) return {};
  return refusal(fmt::format("make symlink {}", at(name)), errno);
}

Result<FileStatus> Directory::status() const {
  struct stat status{};
  if (::fstat(handle_.get(), &status) != 0)
    return system_error(fmt::format("stat {}", path_), errno);
  return file_status(status);
}

Result<> Directory::set_mode(mode_t mode) const {
  if (::fchmod(TRY(open_readable()).get(), mode) == 0) return {};
  return system_error(fmt::format("chmod {}", path_), errno);
}

Result<FileStatus> Directory::status(const std::string& name) const {
  TRY(check_name(name));
  struct stat status{};
  if (::fstatat(handle_.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
    return system_error(fmt::format("stat {}", at(name)), errno);
  return file_status(status);
}

// For what O_PATH cannot do.
Result<FileDescriptor> Directory::open_readable() const {
  FileDescriptor directory(::openat(handle_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return system_error(fmt::format("open {}", path_), errno);
  return directory;
}

Result<std::vector<std::string>> Directory::list(std::size_t most) const {
  return list_names(TRY(open_readable()), path_, most);
}

Result<FileDescriptor> Directory::open_file(const std::string& name) const {
  TRY(check_name(name));
  const std::string attempt = fmt::format("open {}", at(name));
  FileDescriptor file = open_one(handle_, name, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  struct stat status{};
  if (!file || ::fstat(file.get(), &status) != 0) return refusal(attempt, errno);
  if (!S_ISREG(status.st_mode)) return rejected(attempt + ": not a regular file");
  if (static_cast<std::uint64_t>(status.st_size) > kMaxFileBytes)
    return rejected(fmt::format("{}: larger than {} bytes", attempt, kMaxFileBytes));
  return file;
}

Result<FileDescriptor> Directory::create_file(const std::string& name,
                                              const FileRights& rights) const {
  TRY(check_name(name));
  const std::string attempt = fmt::format("create {}", at(name));
  FileDescriptor file = open_one(handle_, name, O_WRONLY | O_CREAT | O_EXCL, 0600);
  if (!file) return refusal(attempt, errno);
  const bool is_given = rights.owner != FileRights().owner || rights.group != FileRights().group;
  if ((is_given && ::fchown(file.get(), rights.owner, rights.group) != 0) ||
      ::fchmod(file.get(), rights.mode) != 0) {
    const int code = errno;
    static_cast<void>(remove_file(name));
    return system_error(attempt, code);
  }
  return file;
}

Result<Draft> Directory::draft(const std::string& name, const ContentWriter& write,
                               const FileRights& rights) const {
  TRY(check_name(name));
  const std::string temporary = temporary_name(name);
  if (const auto removed = remove_file(temporary);
      !removed && removed.error().kind != ErrorKind::not_found)
    return std::unexpected(removed.error());
  const FileDescriptor file = TRY(create_file(temporary, rights));
  Draft draft(*this, temporary, name);
  TRY(write(file));
  if (::fsync(file.get()) != 0) return system_error(fmt::format("fsync {}", at(temporary)), errno);
  return draft;
}

Result<> Directory::write_durably(const std::string& name, const ContentWriter& write,
                                  const FileRights& rights) const {
  TRY(TRY(draft(name, write, rights)).place());
  return sync();
}

Result<> Directory::replace(const std::string& name, std::string_view bytes) const {
  const FileDescriptor old = TRY(open_file(name));
  const auto write = [&](const FileDescriptor& file) -> Result<> {
    TRY(write_all(file, bytes, fmt::format("write {}", at(name))));
    return copy_attributes(old, file, at(name));
  };
  return write_durably(name, write, {});
}

Result<> Directory::rename(const std::string& from, const std::string& to) const {
  TRY(check_name(from));
  TRY(check_name(to));
  if (::renameat(handle_.get(), from.c_str(), handle_.get(), to.c_str()) == 0) return {};
  return refusal(fmt::format("rename {} to {}", at(from), to), errno);
}

Result<> Directory::remove_file(const std::string& name) const {
  TRY(check_name(name));
  if (::unlinkat(handle_.get(), name.c_str(), 0) == 0) return {};
  return refusal(fmt::format("remove {}", at(name)), errno);
}

Result<> Directory::remove_empty_directory(const std::string& name) const {
  TRY(check_name(name));
  if (::unlinkat(handle_.get(), name.c_str(), AT_REMOVEDIR) == 0) return {};
  return refusal(fmt::format("remove the directory {}", at(name)), errno);
}

Result<std::optional<FileDescriptor>> Directory::lock() const {
  FileDescriptor directory = TRY(open_readable());
  if (::flock(directory.get(), LOCK_EX | LOCK_NB) == 0) return directory;
  if (errno == EWOULDBLOCK) return std::nullopt;
  return system_error(fmt::format("lock {}", path_), errno);
}

Result<> Directory::sync() const {
  if (::fsync(TRY(open_readable()).get()) != 0)
    return system_error(fmt::format("fsync {}", path_), errno);
  return {};
}

Draft::~Draft() {
  if (directory_) static_cast<void>(directory_->remove_file(temporary_));
}

Result<> Draft::place() {
  TRY(directory_->rename(temporary_, name_));
  directory_ = nullptr;
  return {};
}

namespace {

Result<> remove_all(const Directory& parent, const std::string& name) {
  const auto status = parent.status(name);
  if (!status && status.error().kind == ErrorKind::not_found) return {};
  if (!status) return std::unexpected(status.error());
  if (status->kind != FileKind::directory) return parent.remove_file(name);
  const Directory directory = TRY(parent.open_directory(name));
  for (const std::string& each : TRY(directory.list(std::numeric_limits<std::size_t>::max())))
    TRY(remove_all(directory, each));
  return parent.remove_empty_directory(name);
}

}  // namespace

Result<> remove_held_tree(const std::string& path) {
  const auto parent = Directory::open(directory_of(path));
  if (!parent && parent.error().kind == ErrorKind::not_found) return {};
  if (!parent) return std::unexpected(parent.error());
  return remove_all(*parent, name_of(path));
}

}  // namespace everseal::base
