// Whose a file is and who else may use it, given from one open file to another.
#pragma once

#include <string>

#include "base/file_descriptor.h"
#include "base/result.h"

namespace everseal::base {

// Gives `to` the owner, group, mode and extended attributes of `from`. Without root's right to give
// files away `to` stays ours, and whoever could use `from` is named in its access list. `path` is
// what the messages call it. Errors: those of the system calls.
Result<> copy_attributes(const FileDescriptor& from, const FileDescriptor& to,
                         const std::string& path);

}  // namespace everseal::base
