// The one owner of an open descriptor.
#pragma once

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace everseal::base {

// Owns one file descriptor and closes it; move-only. -1 owns nothing.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~FileDescriptor() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  void reset() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

 private:
  int fd_ = -1;
};

// Writes all bytes, however many calls it takes. Errors: those of base::system_error for `attempt`.
Result<> write_all(const FileDescriptor& file, std::string_view bytes, std::string_view attempt);

// The largest file that is read whole, in bytes. Larger ones are an error, not a truncation.
inline constexpr std::uint64_t kMaxFileBytes = 64 << 20;

// All bytes of a regular file from where it stands. Errors: as above; invalid if there are more
// than `most`.
Result<std::string> read_all(const FileDescriptor& file, std::string_view attempt,
                             std::uint64_t most = kMaxFileBytes);

// Appends the whole of one regular file to another within the kernel: the bytes are never in this
// process.
Result<> copy_all(const FileDescriptor& from, const FileDescriptor& to, std::string_view attempt);

}  // namespace everseal::base
