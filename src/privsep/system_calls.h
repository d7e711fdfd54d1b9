// seccomp: which system calls a process may still make (seccomp(2), libseccomp).
#pragma once

#include "base/result.h"

namespace everseal::privsep {

// Which system calls remain. Of all others those that an attacker wants kill the process, and those
// that are unknown give ENOSYS.
enum class SystemCalls {
  messages,  // memory, time, random bytes; messages, and files that it is handed
  resolve,   // besides: opening files (Landlock says which), UDP and TCP sockets
  connect,   // besides messages: TCP connections out
  accept,    // besides messages: taking connections on listeners that it has
};

// From now on only these. Errors: internal.
Result<> restrict_system_calls(SystemCalls allowed);

}  // namespace everseal::privsep
