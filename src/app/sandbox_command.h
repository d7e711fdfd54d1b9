// `everseal sandbox`: what each process may do on this machine, tried.
#pragma once

#include "app/output.h"
#include "base/result.h"

namespace everseal::app {

// Starts every role, asks it what is on, and lets it try what it must not be able to do. The exit
// status is 1 if anything was possible. Errors: a role that cannot be locked in.
Result<Output> show_sandbox();

}  // namespace everseal::app
