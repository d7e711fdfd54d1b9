// The bytes of a file that holds a key, in this folder only.
#pragma once

#include <openssl/crypto.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <string_view>

#include "base/file_descriptor.h"

namespace everseal::crypto {

inline constexpr std::size_t kMostPemBytes = 16 << 10;   // of a key
inline constexpr std::size_t kMostFileBytes = 64 << 10;  // of a key with its chain

// The first bytes of a file, at most kMostFileBytes + 1, wiped when they go.
class KeyFile {
 public:
  explicit KeyFile(std::size_t most) : most_(most) {}
  KeyFile(const KeyFile&) = delete;
  KeyFile& operator=(const KeyFile&) = delete;
  ~KeyFile() { OPENSSL_cleanse(buffer_.data(), buffer_.size()); }

  // Valid as long as this is.
  Result<std::string_view> read(const base::FileDescriptor& file, std::string_view attempt) {
    std::size_t size = 0;
    ssize_t got = 0;
    while (size < most_ && (got = ::read(file.get(), buffer_.data() + size, most_ - size)) > 0)
      size += static_cast<std::size_t>(got);
    if (got < 0) return base::system_error(attempt, errno);
    return std::string_view(buffer_.data(), size);
  }

 private:
  const std::size_t most_;
  std::array<char, kMostFileBytes + 1> buffer_;
};

}  // namespace everseal::crypto
