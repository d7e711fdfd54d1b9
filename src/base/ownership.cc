#include "base/ownership.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <vector>

#include "base/file_descriptor.h"

namespace everseal::base {
namespace {

struct CloseDirectory {
  void operator()(DIR* stream) const { ::closedir(stream); }
};

// The names in the directory that `handle` (O_PATH) stands for.
Result<std::vector<std::string>> names_in(int handle, const std::string& path) {
  const int readable = ::openat(handle, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (readable < 0) return system_error(fmt::format("list {}", path), errno);
  const std::unique_ptr<DIR, CloseDirectory> stream(::fdopendir(readable));
  if (!stream) return system_error(fmt::format("list {}", path), errno);
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(stream.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  return names;
}

Result<> give(int parent, const std::string& name, const std::string& path, const Identity& owner) {
  const std::string attempt = fmt::format("give {} to user {}", path, owner.user);
  const FileDescriptor handle(::openat(parent, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat status{};
  if (!handle || ::fstat(handle.get(), &status) != 0) return system_error(attempt, errno);
  if (S_ISDIR(status.st_mode))
    for (const std::string& below : TRY(names_in(handle.get(), path)))
      TRY(give(handle.get(), below, join_path(path, below), owner));
  if (status.st_uid == owner.user && status.st_gid == owner.group) return {};
  if (S_ISREG(status.st_mode) && status.st_nlink > 1)
    return rejected(fmt::format(
        "{}: it has {} names (hard links), and another may be elsewhere; remove the one "
        "that does not belong there",
        attempt, status.st_nlink));
  if (::fchownat(handle.get(), "", owner.user, owner.group, AT_EMPTY_PATH) != 0)
    return system_error(attempt, errno);
  return {};
}

}  // namespace

Result<> give_tree(const Directory& directory, const Identity& owner) {
  return give(directory.handle().get(), ".", directory.path(), owner);
}

}  // namespace everseal::base
