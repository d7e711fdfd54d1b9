#include "base/file_system.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "base/access_list.h"

namespace everseal::base {
namespace {

FileKind kind_of(mode_t mode) {
  if (S_ISREG(mode)) return FileKind::regular;
  if (S_ISDIR(mode)) return FileKind::directory;
  if (S_ISLNK(mode)) return FileKind::symlink;
  return FileKind::other;
}

Result<FileDescriptor> open_file(const std::string& path, int flags, mode_t mode = 0) {
  FileDescriptor file(::open(path.c_str(), flags | O_CLOEXEC, mode));
  if (!file) return system_error(fmt::format("open {}", path), errno);
  return file;
}

struct CloseDirectory {
  void operator()(DIR* stream) const { ::closedir(stream); }
};

class RealFileSystem : public FileSystem {
 public:
  Result<std::string> read(const std::string& path) const override {
    return read_all(TRY(open(path)), fmt::format("read {}", path));
  }

  Result<FileDescriptor> open(const std::string& path) const override {
    FileDescriptor file = TRY(open_file(path, O_RDONLY | O_NONBLOCK | O_NOCTTY));
    struct stat status{};
    if (::fstat(file.get(), &status) != 0) return system_error(fmt::format("read {}", path), errno);
    if (!S_ISREG(status.st_mode)) return invalid(fmt::format("read {}: not a regular file", path));
    return file;
  }

  Result<FileStatus> status(const std::string& path) const override {
    struct stat status{};
    if (::lstat(path.c_str(), &status) != 0)
      return system_error(fmt::format("stat {}", path), errno);
    return FileStatus{kind_of(status.st_mode), status.st_mode & 07777, status.st_uid, status.st_gid,
                      static_cast<std::uint64_t>(status.st_size)};
  }

  Result<std::string> real_path(const std::string& path) const override {
    const std::unique_ptr<char, decltype(&std::free)> real(::realpath(path.c_str(), nullptr),
                                                           std::free);
    if (!real) return system_error(fmt::format("resolve {}", path), errno);
    return std::string(real.get());
  }

  Result<std::string> read_link(const std::string& path) const override {
    char target[PATH_MAX];
    const ssize_t length = ::readlink(path.c_str(), target, sizeof target);
    if (length < 0) return system_error(fmt::format("read link {}", path), errno);
    return std::string(target, static_cast<std::size_t>(length));
  }

  Result<std::vector<std::string>> list(const std::string& directory) const override {
    const std::unique_ptr<DIR, CloseDirectory> stream(::opendir(directory.c_str()));
    if (!stream) return system_error(fmt::format("list {}", directory), errno);
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(stream.get())) {
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
    }
    std::ranges::sort(names);
    return names;
  }

  Result<> create(const std::string& path, std::string_view bytes, mode_t mode) override {
    const auto write = [&](const FileDescriptor& file) {
      return write_all(file, bytes, fmt::format("write {}", path));
    };
    return create_with(path, write, mode);
  }

  Result<> create_with(const std::string& path, const ContentWriter& write, mode_t mode) override {
    const FileDescriptor file =
        TRY(open_file(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode));
    if (::fchmod(file.get(), mode) != 0) return system_error(fmt::format("chmod {}", path), errno);
    return write(file);
  }

  Result<> sync(const std::string& path) override {
    const FileDescriptor file = TRY(open_file(path, O_RDONLY));
    if (::fsync(file.get()) != 0) return system_error(fmt::format("fsync {}", path), errno);
    return {};
  }

  Result<> make_directory(const std::string& path, mode_t mode) override {
    if (::mkdir(path.c_str(), mode) == 0) {
      if (::chmod(path.c_str(), mode) != 0)
        return system_error(fmt::format("chmod {}", path), errno);
      return {};
    }
    const int code = errno;
    if (code == EEXIST) {
      const auto there = status(path);
      if (there && there->kind == FileKind::directory) return {};
    }
    return system_error(fmt::format("make directory {}", path), code);
  }

  Result<> rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0)
      return system_error(fmt::format("rename {} to {}", from, to), errno);
    return {};
  }

  Result<> make_symlink(const std::string& target, const std::string& path) override {
    if (::symlink(target.c_str(), path.c_str()) != 0)
      return system_error(fmt::format("make symlink {}", path), errno);
    return {};
  }

  Result<> remove(const std::string& path) override {
    if (std::remove(path.c_str()) != 0) return system_error(fmt::format("remove {}", path), errno);
    return {};
  }

  Result<> copy_attributes(const std::string& from, const std::string& to) override {
    struct stat status{};
    if (::stat(from.c_str(), &status) != 0)
      return system_error(fmt::format("stat {}", from), errno);
    const bool same_owner = ::chown(to.c_str(), status.st_uid, status.st_gid) == 0;
    if (!same_owner && errno != EPERM)
      return system_error(fmt::format("give {} the owner of {}", to, from), errno);
    // What the directory gives to all its new files.
    if (::removexattr(to.c_str(), kAccessAttribute) != 0 && errno != ENODATA && errno != ENOTSUP)
      return system_error(fmt::format("clear the access list of {}", to), errno);
    if (::chmod(to.c_str(), status.st_mode & 07777) != 0)
      return system_error(fmt::format("give {} the mode of {}", to, from), errno);
    TRY(copy_extended_attributes(from, to, same_owner ? Missing::error : Missing::accept));
    return same_owner ? Result<>() : keep_readable(from, {status.st_uid, status.st_gid}, to);
  }

 private:
  // Only root gives files away. A copy that stays ours keeps the group where that is allowed; else
  // whoever could use the file as its owner or group gets an access entry by name.
  static Result<> keep_readable(const std::string& from, const Identity& owner,
                                const std::string& to) {
    [[maybe_unused]] const int same_group = ::chown(to.c_str(), uid_t(-1), owner.group);
    struct stat copy{};
    if (::stat(to.c_str(), &copy) != 0) return system_error(fmt::format("stat {}", to), errno);
    const AccessList list = TRY(read_access_list(from, kAccessAttribute));
    const AccessList kept = keep_access(list, owner, {copy.st_uid, copy.st_gid});
    if (kept == list) return {};
    const std::string bytes = serialize(kept);
    if (::setxattr(to.c_str(), kAccessAttribute, bytes.data(), bytes.size(), 0) != 0)
      return system_error(fmt::format("keep {} readable for whom {} was", to, from), errno);
    return {};
  }

  // Whether an attribute may be missing that only root can set.
  enum class Missing { error, accept };

  // ACLs and SELinux labels are extended attributes (acl(5), xattr(7)).
  static Result<> copy_extended_attributes(const std::string& from, const std::string& to,
                                           Missing missing) {
    char names[64 << 10];
    const ssize_t length = ::listxattr(from.c_str(), names, sizeof names);
    if (length < 0) {
      if (errno == ENOTSUP) return {};
      return system_error(fmt::format("list attributes of {}", from), errno);
    }
    for (const char* name = names; name < names + length;
         name += std::string_view(name).size() + 1) {
      char value[64 << 10];
      const ssize_t size = ::getxattr(from.c_str(), name, value, sizeof value);
      const bool copied =
          size >= 0 && ::setxattr(to.c_str(), name, value, static_cast<std::size_t>(size), 0) == 0;
      if (!copied && (missing == Missing::error || errno != EPERM))
        return system_error(fmt::format("copy attribute {} of {}", name, from), errno);
    }
    return {};
  }
};

}  // namespace

FileSystem& real_file_system() {
  static RealFileSystem files;
  return files;
}

bool exists(const FileReader& files, const std::string& path) {
  return files.status(path).has_value();
}

std::string directory_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  return std::string(path.substr(0, slash == 0 ? 1 : slash));
}

std::string join_path(std::string_view directory, std::string_view name) {
  if (directory.ends_with('/')) return fmt::format("{}{}", directory, name);
  return fmt::format("{}/{}", directory, name);
}

Result<> make_directories(FileSystem& files, const std::string& path, mode_t mode) {
  if (exists(files, path))  // perhaps by a symlink, as systemd makes them; refuses what is none
    return files.make_directory(TRY(files.real_path(path)), mode);
  const std::string parent = directory_of(path);
  if (!exists(files, parent)) TRY(make_directories(files, parent, mode));
  TRY(files.make_directory(path, mode));
  return files.sync(parent);
}

Result<> remove_tree(FileSystem& files, const std::string& path) {
  const auto status = files.status(path);
  if (!status && status.error().kind == ErrorKind::not_found) return {};
  if (!status) return std::unexpected(status.error());
  if (status->kind == FileKind::directory)
    for (const std::string& name : TRY(files.list(path)))
      TRY(remove_tree(files, join_path(path, name)));
  return files.remove(path);
}

Result<> write_durably(FileSystem& files, const std::string& path, std::string_view bytes,
                       mode_t mode) {
  const auto write = [&](const FileDescriptor& file) {
    return write_all(file, bytes, fmt::format("write {}", path));
  };
  return write_durably_with(files, path, write, mode);
}

std::string temporary_path(std::string_view path) {
  return join_path(directory_of(path),
                   fmt::format(".{}.everseal", path.substr(path.rfind('/') + 1)));
}

Result<> write_durably_with(FileSystem& files, const std::string& path, const ContentWriter& write,
                            mode_t mode) {
  const std::string temporary = temporary_path(path);
  TRY(remove_tree(files, temporary));  // left by a run that was killed
  auto written = files.create_with(temporary, write, mode);
  if (written) written = files.sync(temporary);
  if (written) written = files.rename(temporary, path);
  if (!written) {
    static_cast<void>(remove_tree(files, temporary));
    return written;
  }
  return files.sync(directory_of(path));
}

}  // namespace everseal::base
