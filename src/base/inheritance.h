// What a process has from whoever started it, beside its arguments and its environment.
#pragma once

namespace everseal::base {

// The first act of main(). Descriptors that were left open reach no program and no role that this
// process starts; this process may still use them ("/dev/fd/63"). No signal is blocked or ignored:
// the end of a child could not be waited for where SIGCHLD is ignored, and no signal would end this
// process where all are blocked (sigaction(2), execve(2)).
void disown_inheritance();

}  // namespace everseal::base
