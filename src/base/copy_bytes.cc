#include "base/copy_bytes.h"

#include <sys/sendfile.h>

#include <cerrno>

namespace everseal::base {

Result<> copy_bytes(const FileDescriptor& from, const FileDescriptor& to, std::uint64_t bytes,
                    std::string_view attempt) {
  while (bytes > 0) {
    const ssize_t copied = ::sendfile(to.get(), from.get(), nullptr, bytes);
    if (copied < 0 && errno == EINTR) continue;
    if (copied < 0) return system_error(attempt, errno);
    if (copied == 0) return {};
    bytes -= static_cast<std::uint64_t>(copied);
  }
  return {};
}

}  // namespace everseal::base
