#include "base/exchange.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cerrno>

namespace everseal::base {

Result<> exchange(const std::string& one, const std::string& other) {
  if (::renameat2(AT_FDCWD, one.c_str(), AT_FDCWD, other.c_str(), RENAME_EXCHANGE) == 0) return {};
  const std::string attempt = fmt::format("exchange {} and {}", one, other);
  if (errno == EBUSY || errno == EXDEV)
    return rejected(fmt::format("{}: one of them is a mount point", attempt));
  return system_error(attempt, errno);
}

bool is_mount_point(const std::string& path) {
  struct statx status{};
  if (::statx(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &status) != 0)
    return false;
  return (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

}  // namespace everseal::base
