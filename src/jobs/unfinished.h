// What an interrupted `everseal secure` has left for it to go on with.
#pragma once

#include "jobs/state.h"

namespace everseal::jobs {

// Whether `everseal secure` must be run again for it: waits_for_secure() of jobs/kept.h, and
// something of it was begun that nobody has given up.
Result<bool> is_unfinished(store::Catalog& catalog, const store::CertificateRecord& certificate);

// Gives up what was begun for these sites: a person has taken back the change that was for them.
Result<> give_up_unfinished(State& state, const std::vector<std::string>& sites);

}  // namespace everseal::jobs
