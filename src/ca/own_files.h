// Whether the files that make the CA are there, whole, and its alone.
#pragma once

#include <string>

#include "base/file_system.h"
#include "base/result.h"

namespace everseal::ca {

// Whoever can read a key can sign, whoever can write it decides who signs. Errors: rejected, with
// the command that mends it; those of files.
Result<> check_secret(const FileReader& files, const std::string& path);

// The same of a directory or file which others may look at but not change.
Result<> check_unchanged(const FileReader& files, const std::string& path);

}  // namespace everseal::ca
