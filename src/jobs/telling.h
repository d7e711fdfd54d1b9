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

// Lets other jobs work. Enters what is wrong into the catalog. Tells what is news of it, by the
// ways that are set; quiet if nothing is. A way that fails is shown to whoever reads this run's
// output, and if all of them do the news is news again at the next run. One process tells at a
// time; what it told is remembered before it tries another way. Errors: those of the catalog: then
// it is remembered beside it.
Result<> tell_of_renewal(const Environment& environment, State& state,
                         const Result<RenewSummary>& renewed);

// That everseal renew could not begin; there is no catalog.
void tell_of_no_run(const Environment& environment, const Error& why);

// As tell_of_renewal(), after `everseal rotate`.
Result<> tell_of_rotation(const Environment& environment, State& state, const Result<>& rotated,
                          const std::vector<RenewalFailure>& failed);

// Sends the message that a failure would send. Errors: invalid, if nobody is to be told.
Result<std::vector<notify::Told>> notify_test(const Environment& environment);

}  // namespace everseal::jobs
