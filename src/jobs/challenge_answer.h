// nginx's answer to http-01, which names the account key.
#pragma once

#include <string>

#include "jobs/server.h"

namespace everseal::jobs {

// Makes our snippet in nginx's configuration answer for the account key with this thumbprint: it
// answers for another CA's account, or for the key that was changed. Nothing to do where there is
// no snippet. Errors: rejected (it was changed by hand), those of Server::change().
Result<> answer_for(const Environment& environment, State& state, const std::string& thumbprint);

// Asks nginx as a CA would, where the sites are whose certificates it answers for. Errors:
// rejected, with what was seen instead; those of finding nginx and of Workers::visitor().
Result<> prove_answer(const Environment& environment, State& state, const std::string& thumbprint);

// Before the key of the account at this CA is changed: whether nginx answers for it. Errors:
// invalid, with nginx's words, where it does and would not take another answer; those of trying
// whether the answer can be replaced.
Result<bool> must_answer_anew(const Environment& environment, State& state,
                              const std::string& server);

}  // namespace everseal::jobs
