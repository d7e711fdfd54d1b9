// Files that we run or obey.
#pragma once

#include <string>

#include "base/file_descriptor.h"
#include "base/file_system.h"
#include "base/result.h"

namespace everseal::base {

// A file that nobody but root and whoever runs this can change, or replace by another: its owner
// and mode, each directory above it and each symlink on the way were looked at. Since nobody else
// may change the way, its path leads to it as long as root wants so.
struct TrustedFile {
  FileDescriptor handle;  // O_PATH
  std::string path;       // absolute, without symlinks
  mode_t mode = 0;        // permission bits, 07777
};

// Looks at a regular file so. Errors: not_found; rejected, "PATH can be changed by other users than
// root: …" with the file or directory and the command that mends it; invalid (no regular file).
Result<TrustedFile> find_trusted(const std::string& path);

// Looks at it and reads the very file that was looked at.
Result<TrustedText> read_trusted(const std::string& path);

}  // namespace everseal::base
