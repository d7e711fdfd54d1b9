// `everseal daemon`: renews each certificate at its moment.
#pragma once

#include <expected>
#include <functional>

#include "app/command_line.h"

namespace everseal::app {

// Runs until SIGTERM or SIGINT; SIGHUP reads the settings anew, by `read`. Tells systemd how it is
// (sd_notify(3)) where systemd asks. Returns the exit status.
int run_daemon(CommandLine line, const std::function<std::expected<CommandLine, Usage>()>& read);

}  // namespace everseal::app
