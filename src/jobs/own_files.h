// The files of ours in nginx's configuration, where somebody else has removed or damaged them.
#pragma once

#include <string>
#include <vector>

#include "jobs/server.h"

namespace everseal::jobs {

// Writes those anew that nginx's configuration names and that are missing, empty, cut short or
// overwritten with binary bytes, as we wrote them last; returns their paths and tells the reporter.
// One that was changed by hand stays. Nothing is reloaded: the running nginx has read them before.
// Errors: those of the catalog and of writing.
Result<std::vector<std::string>> write_own_files_anew(const Environment& environment, State& state,
                                                      const Server& server);

// The same for whatever nginx there is: none at all has no files.
Result<> write_own_files_anew(const Environment& environment, State& state);

}  // namespace everseal::jobs
