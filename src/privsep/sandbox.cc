#include "privsep/sandbox.h"

#include <fmt/format.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "privsep/landlock.h"

namespace everseal::privsep {
namespace {

constexpr std::array<std::string_view, 4> kNames = {"keeper", "net", "verify", "edge"};
constexpr mode_t kPrivate = 0077;

Result<> check(bool good, std::string_view attempt) {
  if (good) return {};
  return base::system_error(attempt, errno);
}

std::array<__user_cap_data_struct, 2> read_capabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> data{};
  ::syscall(SYS_capget, &header, data.data());
  return data;
}

bool has_capabilities() {
  return std::ranges::any_of(read_capabilities(), [](const __user_cap_data_struct& each) {
    return each.effective != 0 || each.permitted != 0 || each.inheritable != 0;
  });
}

// The bounding and the ambient set: what a program could have that this process executes. Only who
// has CAP_SETPCAP can drop from them; who has not has little in them.
Result<> limit_what_is_executed(std::span<const unsigned> kept) {
  for (unsigned each = 0; each <= CAP_LAST_CAP; ++each) {
    const bool drop =
        std::ranges::find(kept, each) == kept.end() && ::prctl(PR_CAPBSET_READ, each, 0, 0, 0) == 1;
    if (drop && ::prctl(PR_CAPBSET_DROP, each, 0, 0, 0) != 0 && errno != EPERM)
      return base::system_error("drop a capability", errno);
  }
  ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  return {};
}

// setresuid(2): real, effective and saved, so that there is no way back.
Result<> become(const Identity& identity) {
  if (identity.user == 0 || identity.group == 0)
    return base::invalid("a role cannot be root or in root's group");
  TRY(check(::setgroups(0, nullptr) == 0, "give up groups"));
  TRY(check(::setresgid(identity.group, identity.group, identity.group) == 0,
            fmt::format("become group {}", identity.group)));
  TRY(check(::setresuid(identity.user, identity.user, identity.user) == 0,
            fmt::format("become user {}", identity.user)));
  if (::setuid(0) == 0) return base::internal("the process can become root again");
  return {};
}

// The kernel's word for a number of /proc/PID/status.
std::string seccomp_mode() {
  switch (::prctl(PR_GET_SECCOMP, 0, 0, 0, 0)) {
    case 0:
      return "off";
    case 2:
      return "filter";
    default:
      return "strict";
  }
}

Guard landlock_guard(const char* name, int needed, const char* since) {
  const int abi = landlock_abi();
  return {name, abi >= needed,
          abi >= needed ? fmt::format("Landlock version {}", abi)
                        : fmt::format("needs Landlock version {} ({})", needed, since)};
}

}  // namespace

std::string_view to_string(Role role) { return kNames[static_cast<std::size_t>(role)]; }

Result<Role> parse_role(std::string_view text) {
  for (std::size_t i = 0; i < kNames.size(); ++i)
    if (text == kNames[i]) return static_cast<Role>(i);
  return base::invalid("no such role");
}

Result<> forbid_dumps() {
  const rlimit none{0, 0};
  ::umask(kPrivate);
  TRY(check(::setrlimit(RLIMIT_CORE, &none) == 0, "forbid core files"));
  return check(::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0, "forbid dumps");
}

Result<> keep_capabilities(std::span<const unsigned> kept) {
  TRY(limit_what_is_executed(kept));
  std::array<__user_cap_data_struct, 2> wanted{};
  for (const unsigned each : kept) wanted[each / 32].permitted |= 1u << (each % 32);
  const auto have = read_capabilities();
  bool has_more = false;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    wanted[i].permitted &= have[i].permitted;
    wanted[i].effective = wanted[i].permitted;
    has_more = has_more || (have[i].permitted | have[i].effective | have[i].inheritable) !=
                               (wanted[i].permitted | wanted[i].inheritable);
  }
  if (!has_more) return {};  // a service manager may have taken the call away, too
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  return check(::syscall(SYS_capset, &header, wanted.data()) == 0, "give up capabilities");
}

// Dumps and the signal at the parent's end come after the user, whose change resets them
// (prctl(2)).
Result<> give_up_rights(const std::optional<Identity>& identity) {
  const pid_t parent = ::getppid();
  TRY(limit_what_is_executed({}));
  if (identity) TRY(become(*identity));
  TRY(keep_capabilities({}));
  if (has_capabilities()) return base::internal("the process kept capabilities");
  TRY(check(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "forbid new privileges"));
  TRY(forbid_dumps());
  TRY(check(::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0, "end with the parent"));
  if (::getppid() != parent) return base::transient("the parent is gone");
  return {};
}

Result<> confine(const Confinement& confinement) {
  if (landlock_abi() > 0 || confinement.system_calls == SystemCalls::resolve)
    TRY(restrict_by_landlock(confinement.readable, confinement.tcp_ports));
  return restrict_system_calls(confinement.system_calls);
}

std::vector<Guard> guards() {
  rlimit core{};
  ::getrlimit(RLIMIT_CORE, &core);
  return {
      {"own user", ::geteuid() != 0, fmt::format("uid {} gid {}", ::geteuid(), ::getegid())},
      {"no capabilities", !has_capabilities(), ""},
      {"no new privileges", ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1, ""},
      {"no dumps", ::prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0, ""},
      {"no core files", core.rlim_cur == 0 && core.rlim_max == 0, ""},
      {"system calls filtered", ::prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 2,
       "seccomp " + seccomp_mode()},
      landlock_guard("files closed by the kernel", 1, "Linux 5.13"),
      landlock_guard("TCP only to given ports", kLandlockWithTcp, "Linux 6.7"),
      landlock_guard("no signals to others", kLandlockWithScopes, "Linux 6.12"),
  };
}

}  // namespace everseal::privsep
