// Whether what somebody was told of is still so.
#pragma once

#include "jobs/state.h"

namespace everseal::jobs {

// The incidents that last. One that a run of `everseal renew` has entered is over as soon as the
// catalog says so, whoever has mended it: the next run tells that. Those that are told once are
// none of them.
Result<std::vector<store::IncidentRecord>> lasting_incidents(const Settings& settings,
                                                             store::Catalog& catalog);

}  // namespace everseal::jobs
