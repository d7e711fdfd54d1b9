#include "base/exchange.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>

#include <cerrno>

namespace everseal::base {

Result<> exchange(const std::string& one, const std::string& other) {
  if (::renameat2(AT_FDCWD, one.c_str(), AT_FDCWD, other.c_str(), RENAME_EXCHANGE) == 0) return {};
  const std::string attempt = fmt::format("exchange {} and {}", one, other);
  if (errno == EBUSY || errno == EXDEV)
    return rejected(fmt::format("{}: one of them is a mount point", attempt));
  return system_error(attempt, errno);
}

}  // namespace everseal::base
