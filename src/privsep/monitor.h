// What the command itself gives up before it does anything.
#pragma once

#include "base/result.h"

namespace everseal::privsep {

// No core files, no dumps, a private umask, an empty environment but for the terminal's name
// and systemd's directory of credentials, and as root only the capabilities that changing nginx's
// files, testing and reloading it, and starting roles need. Not forbidden is what its children
// need: `nginx -t` binds ports, sudo gains privileges. Errors: internal, naming what the kernel
// refused.
Result<> give_up_monitor_rights();

}  // namespace everseal::privsep
