// What became of an action, entered into what is known: the other half of plan().
#pragma once

#include "acme/issuance.h"
#include "acme/renewal_info.h"
#include "renew/limits.h"
#include "renew/plan.h"

namespace everseal::renew {

// What the CA says about when to renew. Silence takes nothing back; an answer without a window
// does.
void enter_answer(Kept& kept, const acme::RenewalInfo& info, Time now);

// A new live version.
struct Version {
  std::vector<std::string> names{};
  Time not_before{}, not_after{};
  Draw draw = 0;  // new
};
void enter_version(Kept& kept, const Version& version);

// An order that came to nothing: a setback of the certificate, or of the names that it was for, and
// of each name that the CA has spoken about.
void enter_failure(Kept& kept, const Action& action, const acme::Outcome& outcome, Time now);

// What the CA has counted: a replacement only where it took it for one.
void count(LimitLedger& limits, Intent intent, const acme::Outcome& outcome, Time now);

}  // namespace everseal::renew
