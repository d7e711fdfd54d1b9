#include "base/file_descriptor.h"

#include <cerrno>

namespace everseal::base {

Result<> write_all(const FileDescriptor& file, std::string_view bytes, std::string_view attempt) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return system_error(attempt, errno);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

}  // namespace everseal::base
