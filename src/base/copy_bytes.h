// Bytes from file to file that must not pass through this process.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/file_descriptor.h"

namespace everseal::base {

// Appends the next `bytes` of one regular file, or fewer where it ends before, to another within
// the kernel.
Result<> copy_bytes(const FileDescriptor& from, const FileDescriptor& to, std::uint64_t bytes,
                    std::string_view attempt);

}  // namespace everseal::base
