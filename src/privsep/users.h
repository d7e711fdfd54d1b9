// Who the roles run as when everseal is started as root.
#pragma once

#include <string>

#include "base/command_runner.h"
#include "privsep/sandbox.h"

namespace everseal::privsep {

inline constexpr const char* kWorkersUser = "everseal";    // net, verify, edge
inline constexpr const char* kKeysUser = "everseal-keys";  // keeper

struct Identities {
  Identity workers, keys;
  bool temporary = false;  // not the system users: nobody else's, for this run only
};

// Whether both system users exist.
bool have_system_users();

// Makes those that are missing (useradd(8)): no home, no shell. Errors: those of the runner;
// internal with useradd's words.
Result<> make_system_users(CommandRunner& commands);

// The system users; where they are missing two user ids that nobody has, as systemd's DynamicUser
// takes them (systemd.io/UIDS-GIDS: 61184 to 65519).
Identities find_identities();

}  // namespace everseal::privsep
