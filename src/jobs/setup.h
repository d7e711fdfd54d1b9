// Everseal under a user of its own, who is not root.
#pragma once

#include <string>
#include <vector>

#include "jobs/state.h"

namespace everseal::jobs {

struct SetupOptions {
  std::string user;                // who will run everseal
  std::string settings_file;       // that user must be able to read it; may be missing
  bool certificates_only = false;  // no right to change nginx's configuration
  bool dry_run = false;            // stop after the preview
};

struct SetupSummary {
  std::string user;
  std::vector<std::string> steps;  // done or, in a dry run, to be done; empty: nothing was to do
  std::vector<std::string> take_back;  // shell commands that undo all of it
};

// Prepares the machine so that every command works when `user` runs it: gives them the state
// directory, lets them read and, unless certificates_only, change nginx's configuration, and,
// unless systemd has a socket for that (nginx/gate.h), lets them test and reload nginx by sudo.
// Shown first, done after a yes. Errors: rejected (we are not root; there was no yes), invalid (the
// user), not_found (a program is missing), those of what is run; what was done before an error
// stays, and another run goes on from there.
Result<SetupSummary> setup(const Environment& environment, const SetupOptions& options);

}  // namespace everseal::jobs
