// Standard output and standard error.
#pragma once

#include <cstdio>
#include <string_view>

#include "base/result.h"

namespace everseal::app {

// Makes of each standard stream that is closed one on which every write fails. Else the next file
// that is opened, a key or the catalog, would be that stream and take what is printed.
void hold_standard_streams();

// Writes lines, and flushes. What others have put into them reaches no terminal as a command
// (base::printable_lines). What cannot be written ends nothing: a job goes on though nobody reads
// of it.
void say(std::FILE* stream, std::string_view text);

// The same for what must arrive as it is: a document in JSON, a file, our own commands for a
// terminal.
void say_as_is(std::FILE* stream, std::string_view bytes);

// Keeps `lines` at the end of a terminal, instead of those of before; none: takes them away. They
// are gone, too, as soon as anything else is said.
void keep_at_end(std::FILE* terminal, std::string_view lines);

// Whether all that was said on standard output has been written. Errors: transient ("write to
// standard output: No space left on device").
Result<> check_standard_output();

}  // namespace everseal::app
