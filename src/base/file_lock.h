// A lock that a process holds on what is in a directory.
#pragma once

#include <optional>
#include <string>

#include "base/file_descriptor.h"
#include "base/result.h"

namespace everseal::base {

// Takes the lock of the file, which is made if it is missing and then holds our process id. It is
// held for the life of the descriptor; nullopt while another process holds it (flock(2)).
Result<std::optional<FileDescriptor>> lock_file(const std::string& path);

}  // namespace everseal::base
