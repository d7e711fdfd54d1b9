// Strict-Transport-Security that grows with proven renewals.
#pragma once

#include <string>
#include <vector>

#include "jobs/state.h"

namespace everseal::jobs {

// Takes the next step of the ramp on the sites that serve these certificates, as one change to
// nginx; nothing where the settings do not ask for the ramp or no step is due. Errors: nginx is as
// it was then.
Result<> step_hsts(const Environment& environment, State& state,
                   const std::vector<std::string>& renewed);

}  // namespace everseal::jobs
