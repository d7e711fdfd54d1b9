// A lock that a process holds on what is in a directory.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "base/clock.h"
#include "base/file_descriptor.h"
#include "base/result.h"

namespace everseal::base {

// The lock of a file, held until this is destroyed (flock(2)). The file says who holds it.
// Move-only.
class FileLock {
 public:
  // The file is made if it is missing; nullopt while another process holds it. It is what is at
  // `path` when this returns, also where another took its place while the lock was taken. Errors:
  // rejected (no plain file, one with another name elsewhere, or that of another user than ours and
  // the directory's), those of the system calls.
  static Result<std::optional<FileLock>> take(const std::string& path);

  FileLock(FileLock&&) = default;
  FileLock& operator=(FileLock&&) = delete;
  ~FileLock();

 private:
  explicit FileLock(FileDescriptor file) : file_(std::move(file)) {}
  FileDescriptor file_;
};

struct LockHolder {
  pid_t process = 0;
  Seconds held{};  // for so long; not while the machine was suspended
};

// By what the file says. None if it says nothing, or of a process that is no more.
std::optional<LockHolder> lock_holder(const std::string& path);

}  // namespace everseal::base
