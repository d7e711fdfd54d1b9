// Telling the administrator how it went.
#pragma once

#include <vector>

#include "jobs/renew.h"
#include "notify/tell.h"

namespace everseal::jobs {

// What is wrong with a certificate whose renewal failed, in words and facts.
notify::Trouble renewal_trouble(const store::CertificateRecord& certificate, Time now);

// What is wrong with what nginx serves of a certificate; `served` is wrong, or it is unused.
notify::Trouble served_trouble(const store::CertificateRecord& certificate,
                               const store::ServedRecord& served, Time now);

// Enters what is wrong into the catalog. Tells what is news of it, by the ways that are set; quiet
// if nothing is. A way that fails is shown to whoever reads this run's output, and if all of them
// do the news is news again at the next run. Errors: those of the catalog.
Result<> tell_of_renewal(const Environment& environment, State& state,
                         const Result<RenewSummary>& renewed);

// The same after `everseal rotate`.
Result<> tell_of_rotation(const Environment& environment, State& state, const Result<>& rotated,
                          const std::vector<RenewalFailure>& failed);

// Sends the message that a failure would send. Errors: invalid, if nobody is to be told.
Result<std::vector<notify::Told>> notify_test(const Environment& environment);

}  // namespace everseal::jobs
