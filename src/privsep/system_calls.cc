#include "privsep/system_calls.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

namespace everseal::privsep {
namespace {

// Each rule costs every role some microseconds at its start: what is not named here gives ENOSYS.

// What OpenSSL, libcurl and the C++ library do without any right: memory, time, waiting, random
// bytes, and descriptors that are there already.
constexpr std::string_view kHarmless =
    "read write writev pread64 pipe2 lseek close fstat fcntl poll ppoll recvmsg "
    "recvfrom getsockopt setsockopt getsockname getpeername shutdown brk munmap mremap "
    "madvise mlock munlock futex getrandom clock_gettime clock_nanosleep gettimeofday getpid "
    "gettid getppid getuid geteuid getgid getegid getgroups capget sysinfo sched_yield "
    "rt_sigaction rt_sigprocmask rt_sigreturn restart_syscall sigaltstack uname eventfd2 readv "
    "clock_getres exit exit_group";

// What an attacker would want next, and no library does as a courtesy: the process is killed.
constexpr std::string_view kForbidden =
    "execve execveat ptrace process_vm_readv process_vm_writev fork vfork mount chroot "
    "unshare setns setuid setresuid setgid capset bpf perf_event_open io_uring_setup "
    "userfaultfd keyctl bind listen kill tkill init_module pidfd_getfd open_by_handle_at";

// Files by name: what a library tries out of habit is refused, and it goes on without.
constexpr std::string_view kReadingByName =
    "open openat stat lstat statx access faccessat faccessat2 readlink readlinkat";

struct Release {
  void operator()(void* filter) const { seccomp_release(filter); }
};

// A filter while it is made. Calls that this machine's architecture does not have are left out.
class Filter {
 public:
  Filter() : context_(seccomp_init(SCMP_ACT_ERRNO(ENOSYS))) {
    good_ = context_ &&
            seccomp_attr_set(context_.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) == 0;
  }

  // Each of the names, which are separated by spaces.
  void set_all(std::uint32_t action, std::string_view names) {
    for (std::size_t end = 0; !names.empty();
         names.remove_prefix(std::min(end + 1, names.size()))) {
      end = std::min(names.find(' '), names.size());
      set(action, std::string(names.substr(0, end)), {});
    }
  }
  // One rule for each condition, any of which is enough.
  void set(std::uint32_t action, const std::string& name,
           std::initializer_list<scmp_arg_cmp> all_conditions) {
    const int number = seccomp_syscall_resolve_name(name.c_str());
    if (number == __NR_SCMP_ERROR || number < 0) return;
    const int result = seccomp_rule_add_array(context_.get(), action, number,
                                              static_cast<unsigned>(all_conditions.size()),
                                              all_conditions.begin());
    good_ &= result == 0;
  }

  Result<> load() {
    if (!good_) return base::internal("seccomp: the filter cannot be made");
    if (const int code = seccomp_load(context_.get()); code != 0)
      return base::system_error("seccomp: load the filter", -code);
    return {};
  }

 private:
  std::unique_ptr<void, Release> context_;
  bool good_ = true;
};

scmp_arg_cmp equal(unsigned argument, std::uint64_t value) {
  return {argument, SCMP_CMP_EQ, value, 0};
}
scmp_arg_cmp masked(unsigned argument, std::uint64_t mask, std::uint64_t value) {
  return {argument, SCMP_CMP_MASKED_EQ, mask, value};
}

constexpr auto kAllow = SCMP_ACT_ALLOW, kKill = SCMP_ACT_KILL_PROCESS;
constexpr auto kRefuse = SCMP_ACT_ERRNO(EACCES);

// The type of a socket without its flags (socket(2)).
constexpr std::uint64_t kTypeMask = 0xf;

// Memory that can be executed is for loading modules, which only the beginning needs.
void allow_memory(Filter& filter, SystemCalls allowed) {
  if (allowed == SystemCalls::resolve) {
    filter.set(kAllow, "mmap", {});
    filter.set(kAllow, "mprotect", {});
    return;
  }
  for (const char* name : {"mmap", "mprotect"}) {
    filter.set(kAllow, name, {masked(2, PROT_EXEC, 0)});
    filter.set(kRefuse, name, {masked(2, PROT_EXEC, PROT_EXEC)});
  }
}

void allow_sockets(Filter& filter, SystemCalls allowed) {
  const bool connects = allowed == SystemCalls::connect || allowed == SystemCalls::resolve;
  // By protocol, too: Landlock knows ports of TCP, not of MPTCP or SCTP.
  const auto allow = [&](std::uint64_t type, std::uint64_t protocol) {
    for (const std::uint64_t family : {AF_INET, AF_INET6})
      for (const std::uint64_t either : {std::uint64_t{0}, protocol})
        filter.set(kAllow, "socket",
                   {equal(0, family), masked(1, kTypeMask, type), equal(2, either)});
  };
  if (connects) allow(SOCK_STREAM, IPPROTO_TCP);
  if (allowed == SystemCalls::resolve) allow(SOCK_DGRAM, IPPROTO_UDP);
  // The resolver also tries a cache daemon and asks for the machine's addresses.
  if (allowed == SystemCalls::resolve)
    for (const std::uint64_t family : {AF_UNIX, AF_NETLINK})
      filter.set(SCMP_ACT_ERRNO(EAFNOSUPPORT), "socket", {equal(0, family)});
  filter.set(connects ? kAllow : kKill, "connect", {});
  filter.set(kAllow, "socketpair", {equal(0, AF_UNIX)});
  // MSG_FASTOPEN connects without connect(2), which is where Landlock looks (tcp(7)).
  filter.set(kAllow, "sendto", {masked(3, MSG_FASTOPEN, 0)});
  filter.set(kAllow, "sendmsg", {masked(2, MSG_FASTOPEN, 0)});
  for (const char* accept : {"accept", "accept4"})
    filter.set(allowed == SystemCalls::accept ? kAllow : kKill, accept, {});
  if (!connects) filter.set(kKill, "socket", {});
}

// Only what looks, and only at itself.
void allow_with_conditions(Filter& filter) {
  filter.set(kAllow, "prlimit64", {equal(0, 0), equal(2, 0)});
  for (const std::uint64_t request : {FIONREAD, FIONBIO})
    filter.set(kAllow, "ioctl", {equal(1, request)});
  filter.set(SCMP_ACT_ERRNO(ENOTTY), "ioctl", {equal(1, TCGETS)});
  filter.set(kAllow, "tgkill", {equal(0, static_cast<std::uint64_t>(::getpid()))});  // abort(3)
  // No threads, which a library may try; no processes, which only an attacker would.
  filter.set(SCMP_ACT_ERRNO(EPERM), "clone", {masked(0, CLONE_THREAD, CLONE_THREAD)});
  filter.set(kKill, "clone", {masked(0, CLONE_THREAD, 0)});
  // To lock itself in further, and to look how it is.
  filter.set_all(kAllow,
                 "landlock_create_ruleset landlock_add_rule landlock_restrict_self seccomp");
  for (const std::uint64_t option : {PR_SET_NO_NEW_PRIVS, PR_GET_NO_NEW_PRIVS, PR_SET_SECCOMP,
                                     PR_GET_SECCOMP, PR_GET_DUMPABLE, PR_CAPBSET_READ})
    filter.set(kAllow, "prctl", {equal(0, option)});
}

void allow_files(Filter& filter, SystemCalls allowed) {
  if (allowed == SystemCalls::resolve) {
    filter.set_all(kAllow, kReadingByName);
    filter.set_all(kAllow,
                   "newfstatat getdents64 setitimer");  // a look-up takes no longer than that
    filter.set(kAllow, "sendmmsg", {masked(3, MSG_FASTOPEN, 0)});  // two questions at once
    return;
  }
  filter.set_all(kRefuse, kReadingByName);
  // fstat(3) is newfstatat on a descriptor (glibc 2.33 and later).
  constexpr std::uint64_t kEmptyPath = 0x1000;  // AT_EMPTY_PATH
  filter.set(kAllow, "newfstatat", {masked(3, kEmptyPath, kEmptyPath)});
  filter.set(kRefuse, "newfstatat", {masked(3, kEmptyPath, 0)});
}

}  // namespace

Result<> restrict_system_calls(SystemCalls allowed) {
  Filter filter;
  filter.set_all(kAllow, kHarmless);
  filter.set_all(kKill, kForbidden);
  allow_memory(filter, allowed);
  allow_sockets(filter, allowed);
  allow_files(filter, allowed);
  allow_with_conditions(filter);
  return filter.load();
}

}  // namespace everseal::privsep
