// Whether a directory takes files, without a try.
#pragma once

#include <string>

namespace everseal::base {

// Why its owner cannot write in it now: "/x cannot be written: its file system is read-only".
// Empty: nothing is known against it.
std::string why_unwritable(const std::string& directory);

}  // namespace everseal::base
