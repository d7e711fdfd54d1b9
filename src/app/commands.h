// Running a command and telling its result, to a person or in JSON (docs/json.md).
#pragma once

#include "app/command_line.h"
#include "jobs/state.h"

namespace everseal::app {

// Returns the exit status.
int run(const CommandLine& line, jobs::Environment& environment);

}  // namespace everseal::app
