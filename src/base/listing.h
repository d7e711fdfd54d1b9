// The names in an open directory.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/file_descriptor.h"
#include "base/result.h"

namespace everseal::base {

// At most so many, without "." and "..", sorted bytewise; the path is for the error. Errors: those
// of readdir(3), even if it gave some.
Result<std::vector<std::string>> list_names(FileDescriptor directory, const std::string& path,
                                            std::size_t most);

}  // namespace everseal::base
