// Role processes: this binary, started again.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <optional>
#include <span>
#include <string>

#include "base/address.h"
#include "base/result.h"
#include "privsep/channel.h"
#include "privsep/sandbox.h"

namespace everseal::privsep {

// Instead of its work a role tries one thing that it must not be able to do (privsep/probe.h).
struct Probe {
  std::string attempt;
  pid_t sibling = 0;
};

// How a role is started.
struct RoleOptions {
  std::optional<Identity> identity{};  // whom it becomes; none: it stays who we are
  Strictness strictness = Strictness::required;
  std::optional<Probe> probe{};
  std::optional<base::SocketAddress> metrics{};  // edge: where it shows them, instead of its work
};

// The descriptors at which a role finds its channels: the monitor's, and between keeper and net
// the other's.
inline constexpr int kMonitorDescriptor = 3, kPeerDescriptor = 4;

// What the command line of a role says: "everseal role keeper 998:997 required", "everseal role
// edge 998:997 required 127.0.0.1:9402".
std::vector<std::string> role_arguments(Role role, const RoleOptions& options);
struct RoleCommand {
  Role role{};
  RoleOptions options{};
};
Result<RoleCommand> parse_role_arguments(std::span<const char* const> arguments);

// The exit status of a role that gets no more memory, and of net without a keeper.
inline constexpr int kNoMemoryStatus = 12, kKeeperGoneStatus = 13;

// A process that runs a role; ended with its owner. Move-only.
class Process {
 public:
  Process() = default;
  Process(Process&& other) noexcept : pid_(std::exchange(other.pid_, 0)) {}
  Process& operator=(Process&& other) noexcept {
    std::swap(pid_, other.pid_);
    return *this;
  }
  ~Process() { end(); }

  // Forks and executes /proc/self/exe: a clean address space, an environment of nothing but the
  // language, no descriptor but /dev/null and `channels`, "/" as its working directory, a session
  // of its own (a terminal's signals are the monitor's business). Errors: internal, transient.
  static Result<Process> start(Role role, const RoleOptions& options,
                               std::span<const Channel* const> channels);

  pid_t pid() const { return pid_; }
  void signal(int number) const;

  // Waits at most a second for it to end by itself: its status as waitpid(2) gives it; nullopt if
  // it goes on, or if the kernel does not tell. It is gone afterwards.
  std::optional<int> wait_for_end();

 private:
  explicit Process(pid_t pid) : pid_(pid) {}
  void end();

  pid_t pid_ = 0;  // 0: none
};

// What wait_for_end() gives, in words: "was ended by signal 9 (Killed)", "had no memory left",
// "ended with status 1", "does not answer".
std::string describe_end(const std::optional<int>& status);

}  // namespace everseal::privsep
