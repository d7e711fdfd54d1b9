// What an interrupted `everseal secure` has left for it to go on with.
#pragma once

#include "jobs/state.h"

namespace everseal::jobs {

// Whether `everseal secure` must be run again for it: waits_for_secure() of jobs/kept.h, and nobody
// has decided otherwise by `everseal undo` of the change to nginx that was for it.
Result<bool> is_unfinished(store::Catalog& catalog, const store::CertificateRecord& certificate);

}  // namespace everseal::jobs
