// Where a path leads, found by held descriptors, and who else could lead it elsewhere.
#pragma once

#include <sys/stat.h>

#include <optional>
#include <string>

#include "base/file_descriptor.h"
#include "base/result.h"

namespace everseal::base {

// A file, link or directory that another user than root and whoever runs this may change.
struct Weakness {
  std::string path;
  uid_t owner = 0;
  mode_t mode = 0;  // permission bits, 07777
};

// What a path leads to.
struct Destination {
  FileDescriptor handle;             // O_PATH
  std::string path;                  // absolute, without symlinks, as it was when it was walked
  struct stat status{};              // of the handle
  std::optional<Weakness> weakness;  // the first on the way, the destination included; none: nobody
                                     // but root and we decides what the path leads to and holds
};

// Walks a path from "/", one name after the other, each opened below the one before and
// without following a symlink. A symlink is followed where nobody but root and we could have put
// it; elsewhere only to what belongs to the user who could, so that nobody leads root to what is
// not theirs. Errors: not_found; rejected (a symlink that leads to another's), those of openat(2).
Result<Destination> walk(const std::string& path);

// "PATH can be changed by other users than root", why, and the command that mends it.
std::string describe(const Weakness& weakness);

// "bob", or the number of a user without a name.
std::string user_name(uid_t user);

}  // namespace everseal::base
