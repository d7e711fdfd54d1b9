// Standard output and standard error.
#pragma once

#include <cstdio>
#include <string_view>

#include "base/result.h"

namespace everseal::app {

// Makes of each standard stream that is closed one on which every write fails. Else the next file
// that is opened, a key or the catalog, would be that stream and take what is printed.
void hold_standard_streams();

// Writes and flushes. What cannot be written ends nothing: a job goes on though nobody reads of it.
void say(std::FILE* stream, std::string_view text);

// Whether all that was said on standard output has been written. Errors: transient ("write to
// standard output: No space left on device").
Result<> check_standard_output();

}  // namespace everseal::app
