// The command line, read into values.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "app/ca_command.h"
#include "app/dhparam_command.h"
#include "app/nginx_commands.h"
#include "app/state_commands.h"
#include "app/status_command.h"
#include "base/file_system.h"
#include "jobs/issue.h"
#include "jobs/renew.h"
#include "jobs/rotate.h"
#include "jobs/secure.h"
#include "jobs/settings.h"
#include "jobs/setup.h"

namespace everseal::app {

struct UndoCommand {
  std::optional<std::int64_t> change;  // none: the last
};

struct ChangesCommand {
  std::optional<std::int64_t> change;  // none: all
};

struct SandboxCommand {};

struct NotifyTestCommand {};

struct DaemonCommand {};

using Command =
    std::variant<jobs::SecureOptions, jobs::IssueOptions, jobs::RenewOptions, StatusCommand,
                 UndoCommand, ChangesCommand, jobs::SetupOptions, SandboxCommand, NginxParseCommand,
                 NginxCatCommand, NginxSitesCommand, CaCommand, NotifyTestCommand, DhparamCommand,
                 DaemonCommand, jobs::RotateOptions, jobs::RepairOptions, jobs::BackupOptions,
                 jobs::RestoreOptions>;

struct CommandLine {
  Command command;
  jobs::Settings settings;  // from the file and the command line
  bool json = false;
  bool quiet = false;
};

// What to print instead of running: help (status 0), or what is wrong with the command line or the
// settings file (status 2).
struct Usage {
  int exit_status = 0;
  std::string text;
  // Where the settings keep `everseal renew` or the daemon from working: what can be read of them,
  // so that somebody is told.
  std::optional<jobs::Settings> readable{};
  std::string reason{};            // what is wrong, without advice; empty for help
  bool is_for_monitoring = false;  // `status --check`: its answer is one line, whatever is wrong
};

// Reads the arguments and the settings file that they name.
std::expected<CommandLine, Usage> parse_command_line(int argc, const char* const* argv,
                                                     const FileReader& files);

}  // namespace everseal::app
