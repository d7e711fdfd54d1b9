// Keys on disk, looked at where that can do no harm.
#pragma once

#include <cstdint>
#include <string>

#include "base/file_descriptor.h"

namespace everseal::crypto {

// What a file that begins with a private key in PEM shows of it to others.
struct KeyInFile {
  std::string public_key_der{};  // SubjectPublicKeyInfo
  std::uint64_t bytes = 0;       // from the file's beginning to the end of the key's last line
};

// Interface for looking at keys. privsep's implementation does it in a process that can do nothing
// else.
class KeyExaminer {
 public:
  virtual ~KeyExaminer() = default;

  // Errors: invalid (the file does not begin with a key that PrivateKey takes, has another one
  // behind it, or more than 64 KiB).
  virtual Result<KeyInFile> examine(const base::FileDescriptor& file) = 0;
};

// In this process.
class DirectKeyExaminer : public KeyExaminer {
 public:
  Result<KeyInFile> examine(const base::FileDescriptor& file) override;
};

}  // namespace everseal::crypto
