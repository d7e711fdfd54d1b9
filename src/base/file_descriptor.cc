#include "base/file_descriptor.h"

#include <fmt/format.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

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

Result<std::string> read_all(const FileDescriptor& file, std::string_view attempt,
                             std::uint64_t most) {
  struct stat status{};
  if (::fstat(file.get(), &status) != 0) return system_error(attempt, errno);
  std::string bytes(std::min(static_cast<std::uint64_t>(status.st_size), most) + 1, '\0');
  std::size_t length = 0;
  while (true) {
    const ssize_t got = ::read(file.get(), bytes.data() + length, bytes.size() - length);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_error(attempt, errno);
    if (got == 0) break;
    length += static_cast<std::size_t>(got);
    if (length > most) return invalid(fmt::format("{}: larger than {} bytes", attempt, most));
    if (length == bytes.size()) bytes.resize(bytes.size() * 2);
  }
  bytes.resize(length);
  return bytes;
}

Result<> copy_all(const FileDescriptor& from, const FileDescriptor& to, std::string_view attempt) {
  while (true) {
    const ssize_t copied = ::sendfile(to.get(), from.get(), nullptr, kMaxFileBytes);
    if (copied < 0 && errno == EINTR) continue;
    if (copied < 0) return system_error(attempt, errno);
    if (copied == 0) return {};
  }
}

}  // namespace everseal::base
