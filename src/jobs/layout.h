// What is in a state directory.
#pragma once

#include <string_view>

namespace everseal::jobs {

// Whether a name at the top of a state directory is one that Everseal gives (docs/formats.md), or
// that of a file system itself.
bool belongs_in_state(std::string_view name);

}  // namespace everseal::jobs
