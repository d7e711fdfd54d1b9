// Whom the machine trusts.
#pragma once

#include <string>

#include "base/file_system.h"

namespace everseal::jobs {

// Certificates in PEM that a server's chain must lead to: a file that was named, or, with an empty
// path, what the distribution says. Errors: not_found; those of the file.
Result<base::FileDescriptor> open_trusted(const FileSystem& files, const std::string& bundle);

}  // namespace everseal::jobs
