#include "base/listing.h"

#include <dirent.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string_view>

namespace everseal::base {
namespace {

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

}  // namespace

Result<std::vector<std::string>> list_names(FileDescriptor directory, const std::string& path,
                                            std::size_t most) {
  const std::unique_ptr<DIR, CloseDirectory> stream(::fdopendir(directory.get()));
  if (!stream) return system_error(fmt::format("list {}", path), errno);
  directory.release();
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* const entry = names.size() < most ? ::readdir(stream.get()) : nullptr) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
    errno = 0;
  }
  if (errno != 0) return system_error(fmt::format("list {}", path), errno);
  std::ranges::sort(names);
  return names;
}

}  // namespace everseal::base
