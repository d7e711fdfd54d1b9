// seccomp: which system calls a process may still make (seccomp(2), libseccomp).
#pragma once

#include "base/result.h"
#include "privsep/sandbox.h"

namespace everseal::privsep {

// From now on only these. Errors: internal.
Result<> restrict_system_calls(SystemCalls allowed);

}  // namespace everseal::privsep
