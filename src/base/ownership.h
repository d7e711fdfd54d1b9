// Giving files to a user, as root.
#pragma once

#include <string>

#include "base/access_list.h"
#include "base/directory.h"

namespace everseal::base {

// Gives a directory and all below it to `owner`; what is theirs already stays as it is. Nothing
// outside is touched, whoever changes the tree meanwhile: each thing is opened without following a
// symlink and given by its descriptor, and what is below a directory goes before the directory.
// Errors: rejected (a file has a second name, which may be outside), those of the system calls.
Result<> give_tree(const Directory& directory, const Identity& owner);

}  // namespace everseal::base
