// What the role processes do: the other ends of the monitor's channels.
#pragma once

#include <atomic>
#include <span>

#include "privsep/channel.h"
#include "privsep/process.h"

namespace everseal::privsep {

// Set by SIGTERM, which the monitor sends: end soon and tidily.
extern std::atomic<bool> role_must_end;

// Runs the role that the command line names ("everseal role …", as Process::start() gives it) on
// the channels that it finds open, until the monitor closes its end. The exit status of the
// process.
int run_role(std::span<const char* const> arguments);

// Each gives up what its role does not need.
Result<> lock_in_keeper(const std::optional<Identity>& identity);
Result<> lock_in_net(const std::optional<Identity>& identity);
Result<> lock_in_verify(const std::optional<Identity>& identity);
Result<> lock_in_edge(const std::optional<Identity>& identity);

// Each locks itself in, says that it is ready, and serves until a channel closes or somebody sends
// what he may not. Errors: what ended it.
Result<> run_keeper(const Channel& monitor, const Channel& net, const RoleOptions& options);
Result<> run_net(const Channel& monitor, const Channel& keeper, const RoleOptions& options);
Result<> run_verify(const Channel& monitor, const RoleOptions& options);
Result<> run_edge(const Channel& monitor, const RoleOptions& options);

// Locks itself in as `options.probe` says, tells the monitor how it is (Probed), makes the attempt
// and tells its outcome.
Result<> run_probe(Role role, const Channel& monitor, const RoleOptions& options);

// Tells the monitor how the locking in went. Errors: the result itself, unless the administrator
// lets the role go on without.
Result<> say_ready(const Channel& monitor, const Result<>& result, Strictness strictness);

}  // namespace everseal::privsep
