// Whether a file is not there, or only cannot be reached.
#pragma once

#include <string>
#include <vector>

#include "base/file_system.h"

namespace everseal::base {

// Whether nothing has this name in a directory that is there, or that is itself absent so. A
// symlink that leads nowhere (the disk behind it is not mounted) or a file in the place of a
// directory, at the end or on the way, hides what may be there: then this is false.
bool is_absent(const FileReader& files, const std::string& path);

// Of an error with a path that is not absent: itself, or, if it says that the path is not there,
// invalid with what hides it.
std::unexpected<Error> hidden(Error error);

// FileReader::list(), without names for a directory that is absent. Errors: those of it, for any
// other reason, as hidden() gives them.
Result<std::vector<std::string>> list_if_there(const FileReader& files,
                                               const std::string& directory);

}  // namespace everseal::base
