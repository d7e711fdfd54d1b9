// Trying what a role must not be able to do: for whoever wants to see the sandbox hold.
#pragma once

#include <sys/types.h>

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "privsep/sandbox.h"
#include "privsep/users.h"

namespace everseal::privsep {

// Something that every locked-in role must be refused. Harmless if it is not.
struct Attempt {
  const char* name;   // "read-file"
  const char* about;  // "open a file of the machine"
  int (*run)(pid_t sibling);
};

std::span<const Attempt> attempts();

// How an attempt ended.
struct Tried {
  const Attempt* attempt = nullptr;
  bool refused = false;
  std::string how{};  // "EACCES", "killed (SIGSYS)", "succeeded"
  // Not refused, but for a reason that the guards name: the kernel is too old.
  bool excused = false;
};

// One role as it is on this machine: what is on, and all attempts.
struct RoleReport {
  Role role{};
  std::optional<Identity> identity{};
  std::vector<Guard> guards{};
  std::vector<Tried> tried{};
};

// Starts each role for each attempt. Errors: a role that cannot be started or locked in.
Result<std::vector<RoleReport>> probe_roles(const std::optional<Identities>& identities);

}  // namespace everseal::privsep
