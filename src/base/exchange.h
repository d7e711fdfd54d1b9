// Two names of a file system that change places.
#pragma once

#include <string>

#include "base/result.h"

namespace everseal::base {

// Atomic: whoever looks sees both as before or both exchanged (renameat2(2), RENAME_EXCHANGE).
// Neither is followed if it is a symlink. Errors: not_found; rejected (one is a mount point, or
// they are on two file systems); those of the system call.
Result<> exchange(const std::string& one, const std::string& other);

// Whether a file system begins there.
bool is_mount_point(const std::string& path);

}  // namespace everseal::base
