// Giving up rights: what a role does before it reads its first message.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "privsep/system_calls.h"

namespace everseal::privsep {

// The processes that work for the monitor, which is the command itself.
enum class Role { keeper, net, verify, edge };
std::string_view to_string(Role role);
Result<Role> parse_role(std::string_view text);

struct Identity {
  uid_t user = 0;
  gid_t group = 0;
};

// What is left to a process.
struct Confinement {
  SystemCalls system_calls = SystemCalls::messages;
  std::vector<std::string> readable{};  // files, and directories with all below; no others
  // That it may connect to; nullopt: not yet known, to be said by the next confine().
  std::optional<std::vector<std::uint16_t>> tcp_ports = std::vector<std::uint16_t>();
};

// What an administrator accepts: a role runs only locked in, or also where that cannot be done.
enum class Strictness { required, relaxed };

// The first act of a role: no core files, no dumps, no new privileges, no capabilities, a private
// umask, and an end with the parent. Started as root it becomes `identity`, for good. Errors:
// internal, naming what the kernel refused.
Result<> give_up_rights(const std::optional<Identity>& identity);

// No core files, no dumps, a private umask. Errors: internal.
Result<> forbid_dumps();

// Gives up all capabilities but these (capabilities(7)), also for what will be executed. Errors:
// internal.
Result<> keep_capabilities(std::span<const unsigned> kept);

// Locks the process in, by Landlock and seccomp; may be called again with less. Without Landlock
// seccomp alone keeps files closed, unless they are still to be opened. Errors: internal, if the
// kernel lacks what nothing else covers.
Result<> confine(const Confinement& confinement);

// One means of the sandbox, as it is on for the calling process.
struct Guard {
  std::string name;
  bool on = false;
  std::string detail;
};

// All of them, found out by asking the kernel.
std::vector<Guard> guards();

}  // namespace everseal::privsep
