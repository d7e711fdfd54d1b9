// How nginx, which is root's, is tested and reloaded for a user who is not root.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/command_runner.h"
#include "base/file_system.h"

namespace everseal::nginx {

enum class Gate {
  none,    // nginx is ours
  sudo,    // of the command, word for word
  socket,  // systemd/everseal-nginx.socket, which runs its own as root
};

inline constexpr const char* kGateSocket = "/run/everseal/nginx";

// What there is for this user: the socket if it is the user's.
Gate gate_for(const FileReader& files, uid_t user);

// Runs it by `sudo -n`; the output is nginx's. Errors: those of the runner; rejected, with sudo's
// words.
Result<base::CommandOutput> run_by_sudo(CommandRunner& runner, std::vector<std::string> command);

// Sends one line to the socket, "test" or "reload". The answer is what nginx says, and "status "
// with its exit status in the last line. Errors: transient (nobody answers, or not to us), invalid
// (another answer).
Result<base::CommandOutput> ask_gate(const std::string& path, std::string_view what,
                                     base::Seconds timeout = base::Seconds(60));

}  // namespace everseal::nginx
