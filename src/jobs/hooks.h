// What is live, given to services beside nginx: copies of files, and programs that are told.
#pragma once

#include <string>
#include <vector>

#include "jobs/state.h"
#include "renew/plan.h"

namespace everseal::jobs {

struct HookFailure {
  std::string certificate;  // empty: all of them
  std::string what;         // "hook PATH for NAME", "copy DIRECTORY for NAME", "hooks DIRECTORY"
  Error error;
};

// Makes the copies and runs the hooks of the settings for every live certificate that they have not
// been given yet: the renewed, the new, and what failed in earlier runs, as soon as it may be tried
// again. Where the directory of hooks cannot be read that is a failure, too, and what failed before
// stays as it is. A certificate that is live stays so whatever they do. Outcomes are in the catalog
// when it returns and have been reported. Next to nothing without hooks.
// Errors: those of the catalog.
Result<std::vector<HookFailure>> run_hooks(const Environment& environment, State& state,
                                           renew::Urgency urgency = renew::Urgency::when_due);

}  // namespace everseal::jobs
