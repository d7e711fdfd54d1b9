#include "base/file_system.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <memory>

#include "base/directory.h"
#include "base/listing.h"
#include "base/trusted_file.h"

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

class RealFileSystem : public FileSystem {
 public:
  Result<std::string> read(const std::string& path) const override {
    return read_all(TRY(open(path)), fmt::format("read {}", path));
  }

  Result<TrustedText> read_trusted(const std::string& path) const override {
    return base::read_trusted(path);
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
    return file_status(status);
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
    FileDescriptor opened(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!opened) return system_error(fmt::format("list {}", directory), errno);
    return list_names(std::move(opened), directory, std::numeric_limits<std::size_t>::max());
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
    // A pipe or a device in its place is not waited on.
    const FileDescriptor file = TRY(open_file(path, O_RDONLY | O_NONBLOCK | O_NOCTTY));
    struct stat status{};
    if (::fstat(file.get(), &status) != 0 || (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)))
      return rejected(fmt::format("fsync {}: neither a file nor a directory", path));
    if (::fsync(file.get()) != 0) return system_error(fmt::format("fsync {}", path), errno);
    return {};
  }

  Result<> make_directory(const std::string& path, mode_t mode) override {
    const auto parent = TRY(Directory::open(directory_of(path)));
    static_cast<void>(TRY(parent.make_directory(name_of(path), mode)));
    return {};
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

  Result<> write_durably_with(const std::string& path, const ContentWriter& write,
                              mode_t mode) override {
    const auto directory = TRY(Directory::open(directory_of(path)));
    return directory.write_durably(name_of(path), write, {.mode = mode});
  }

  Result<> replace(const std::string& path, std::string_view bytes) override {
    return TRY(Directory::open(directory_of(path))).replace(name_of(path), bytes);
  }

  Result<> remove_tree(const std::string& path) override {
    const auto there = status(path);
    if (!there && there.error().kind == ErrorKind::not_found) return {};
    return remove_held_tree(path);
  }
};

}  // namespace

FileSystem& real_file_system() {
  static RealFileSystem files;
  return files;
}

Result<TrustedText> FileReader::read_trusted(const std::string& path) const {
  const std::string real = TRY(real_path(path));
  return TrustedText{TRY(read(real)), real, TRY(status(real)).mode};
}

FileStatus file_status(const struct stat& status) {
  return {kind_of(status.st_mode), status.st_mode & 07777, status.st_uid, status.st_gid,
          static_cast<std::uint64_t>(status.st_size)};
}

bool exists(const FileReader& files, const std::string& path) {
  return files.status(path).has_value();
}

std::string name_of(std::string_view path) { return std::string(path.substr(path.rfind('/') + 1)); }

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

Result<> remove_tree(FileSystem& files, const std::string& path) { return files.remove_tree(path); }

Result<> remove_file(FileSystem& files, const std::string& path) {
  const auto status = files.status(path);
  if (!status && status.error().kind == ErrorKind::not_found) return {};
  if (!status) return std::unexpected(status.error());
  if (status->kind == FileKind::directory)
    return rejected(fmt::format("remove {}: a directory is in its place; remove it", path));
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
  return join_path(directory_of(path), fmt::format(".{}.everseal", name_of(path)));
}

Result<> write_durably_with(FileSystem& files, const std::string& path, const ContentWriter& write,
                            mode_t mode) {
  return files.write_durably_with(path, write, mode);
}

}  // namespace everseal::base
