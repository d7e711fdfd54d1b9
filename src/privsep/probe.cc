#include "privsep/probe.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "privsep/landlock.h"
#include "privsep/messages.h"
#include "privsep/process.h"
#include "privsep/roles.h"

namespace everseal::privsep {
namespace {

constexpr std::uint16_t kUnlikelyPort = 9;  // discard
constexpr int kMptcp = 262;                 // IPPROTO_MPTCP (RFC 8684)

// What a system call's return value says.
int outcome(long result) { return result < 0 ? errno : 0; }

int open_and_close(const char* path, int flags) {
  const int fd = ::open(path, flags | O_CLOEXEC, 0600);
  const int code = outcome(fd);
  if (fd >= 0) ::close(fd);
  return code;
}

int open_of(pid_t process, const char* file) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/%s", static_cast<int>(process), file);
  return open_and_close(path, O_RDONLY);
}

int write_below_etc() {
  constexpr const char* kPath = "/etc/everseal-probe";
  const int code = open_and_close(kPath, O_WRONLY | O_CREAT | O_EXCL);
  if (code == 0) ::unlink(kPath);
  return code;
}

int make_socket(int family, int type, int protocol = 0) {
  const int fd = ::socket(family, type | SOCK_CLOEXEC, protocol);
  const int code = outcome(fd);
  if (fd >= 0) ::close(fd);
  return code;
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// A connection that is refused for want of a listener has not been refused to us.
int connect_to_any() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  const sockaddr_in address = loopback(kUnlikelyPort);
  const int code = outcome(::connect(
      fd, static_cast<const sockaddr*>(static_cast<const void*>(&address)), sizeof address));
  ::close(fd);
  return code == ECONNREFUSED || code == ENETUNREACH ? 0 : code;
}

// TCP Fast Open (RFC 7413).
int connect_by_sending() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  const sockaddr_in address = loopback(kUnlikelyPort);
  const int code = outcome(
      ::sendto(fd, "x", 1, MSG_FASTOPEN | MSG_NOSIGNAL,
               static_cast<const sockaddr*>(static_cast<const void*>(&address)), sizeof address));
  ::close(fd);
  return code == ECONNREFUSED || code == ENETUNREACH ? 0 : code;
}

int bind_any() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  const sockaddr_in address = loopback(0);
  const int code = outcome(
      ::bind(fd, static_cast<const sockaddr*>(static_cast<const void*>(&address)), sizeof address));
  ::close(fd);
  return code;
}

int execute() {
  char* const arguments[] = {nullptr};
  return outcome(::execve("/bin/true", arguments, arguments));
}

int fork_once() {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  return outcome(child);
}

int trace(pid_t process) {
  const int code = outcome(::ptrace(PTRACE_ATTACH, process, nullptr, nullptr));
  if (code == 0) ::ptrace(PTRACE_DETACH, process, nullptr, nullptr);
  return code;
}

int read_memory(pid_t process) {
  char byte = 0;
  const iovec here{&byte, 1}, there{&byte, 1};
  return outcome(::process_vm_readv(process, &here, 1, &there, 1, 0));
}

int make_executable_memory() {
  void* const memory =
      ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return errno;
  ::munmap(memory, 4096);
  return 0;
}

int load_program() {
  bpf_attr attributes{};
  return outcome(::syscall(SYS_bpf, BPF_PROG_GET_NEXT_ID, &attributes, sizeof attributes));
}

// Of a descriptor that was there before the role: not its own are all but /dev/null, its channel,
// and what a library has made to wait with (fstat(2) calls that neither file nor socket).
bool is_anothers(int fd) {
  struct stat status{};
  if (fd == kMonitorDescriptor || ::fstat(fd, &status) != 0) return false;
  if ((status.st_mode & S_IFMT) == 0) return false;
  const bool is_null = S_ISCHR(status.st_mode) && status.st_rdev == makedev(1, 3);
  return fd > STDERR_FILENO || !is_null;
}

int use_inherited() {
  constexpr int kMost = 1 << 16;  // RLIMIT_NOFILE may have been lowered since
  for (int fd = 0; fd < kMost; ++fd)
    if (is_anothers(fd)) return 0;
  return EBADF;
}

constexpr Attempt kAttempts[] = {
    {"read-file", "open a file of the machine",
     [](pid_t) { return open_and_close("/etc/passwd", O_RDONLY); }},
    {"read-secret", "open a file of root",
     [](pid_t) { return open_and_close("/etc/shadow", O_RDONLY); }},
    {"inherited", "use a descriptor that others have left open",
     [](pid_t) { return use_inherited(); }},
    {"write-etc", "write below /etc", [](pid_t) { return write_below_etc(); }},
    {"udp-socket", "create a UDP socket", [](pid_t) { return make_socket(AF_INET, SOCK_DGRAM); }},
    {"raw-socket", "create a raw socket", [](pid_t) { return make_socket(AF_INET, SOCK_RAW); }},
    {"unix-socket", "create a Unix socket",
     [](pid_t) { return make_socket(AF_UNIX, SOCK_STREAM); }},
    {"mptcp-socket", "create a socket of a protocol that Landlock does not know",
     [](pid_t) { return make_socket(AF_INET, SOCK_STREAM, kMptcp); }},
    {"connect", "connect to another port than its own", [](pid_t) { return connect_to_any(); }},
    {"fast-open", "connect without connect(2)", [](pid_t) { return connect_by_sending(); }},
    {"bind", "bind a port", [](pid_t) { return bind_any(); }},
    {"exec", "execute a program", [](pid_t) { return execute(); }},
    {"fork", "make a process", [](pid_t) { return fork_once(); }},
    {"ptrace", "trace a sibling", trace},
    {"proc-mem", "open a sibling's /proc/PID/mem", [](pid_t pid) { return open_of(pid, "mem"); }},
    {"proc-environ", "open a sibling's /proc/PID/environ",
     [](pid_t pid) { return open_of(pid, "environ"); }},
    {"read-memory", "read a sibling's memory", read_memory},
    {"signal", "signal a sibling", [](pid_t pid) { return outcome(::kill(pid, 0)); }},
    {"become-root", "become root", [](pid_t) { return outcome(::setresuid(0, 0, 0)); }},
    {"mount", "mount a file system",
     [](pid_t) { return outcome(::mount("none", "/", nullptr, MS_REMOUNT | MS_BIND, nullptr)); }},
    {"executable-memory", "make memory that can be written and executed",
     [](pid_t) { return make_executable_memory(); }},
    {"bpf", "use bpf", [](pid_t) { return load_program(); }},
    {"userfaultfd", "use userfaultfd",
     [](pid_t) { return outcome(::syscall(SYS_userfaultfd, O_CLOEXEC)); }},
    {"io-uring", "use io_uring",
     [](pid_t) { return outcome(::syscall(SYS_io_uring_setup, 1, nullptr)); }},
};

}  // namespace

std::span<const Attempt> attempts() { return kAttempts; }

Result<> run_probe(Role role, const Channel& monitor, const RoleOptions& options) {
  Result<> locked;
  switch (role) {
    case Role::keeper:
      locked = lock_in_keeper(options.identity);
      break;
    case Role::net:
      locked = lock_in_net(options.identity);
      if (locked) locked = confine({.system_calls = SystemCalls::connect, .tcp_ports = {{443}}});
      break;
    case Role::verify:
      locked = lock_in_verify(options.identity);
      break;
    case Role::edge:
      locked = lock_in_edge(options.identity);
      break;
  }
  const auto attempt = std::ranges::find_if(
      kAttempts, [&](const Attempt& each) { return options.probe->attempt == each.name; });
  if (attempt == std::end(kAttempts)) return base::invalid("no such attempt");
  TRY(monitor.send(encode(Probed{locked, guards()})));
  if (!locked) return locked;
  return monitor.send(encode(static_cast<std::uint64_t>(attempt->run(options.probe->sibling))));
}

namespace {

Tried judge(Role role, const Attempt& attempt, const Channel& channel, Process& process) {
  Tried tried{.attempt = &attempt};
  const auto packet = channel.receive();
  const auto code = packet ? decode<std::uint64_t>(packet->bytes) : base::transient("");
  if (!code) {
    const int status = process.wait_for_end().value_or(0);
    tried.refused = WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
    tried.how = tried.refused ? "killed (SIGSYS)" : "ended without an answer";
    return tried;
  }
  const auto number = static_cast<int>(*code);
  // EBADF: there is nothing to be had.
  tried.refused = number == EACCES || number == EPERM || number == ENOSYS ||
                  number == EAFNOSUPPORT || number == EBADF;
  tried.how = number == 0 ? "succeeded" : ::strerrorname_np(number);
  tried.excused = !tried.refused && role == Role::net &&
                  std::string_view("connect") == attempt.name && landlock_abi() < kLandlockWithTcp;
  return tried;
}

Result<> probe(RoleReport& report, const Attempt& attempt, pid_t sibling) {
  auto [ours, theirs] = TRY(Channel::make_pair());
  const Channel* const channels[] = {&theirs};
  const RoleOptions options{.identity = report.identity,
                            .strictness = Strictness::required,
                            .probe = Probe{attempt.name, sibling},
                            .metrics = {}};
  Process process = TRY(Process::start(report.role, options, channels));
  theirs = Channel();  // so that its end is seen
  auto probed = TRY(decode<Probed>(TRY(ours.receive()).bytes));
  TRY(within(fmt::format("lock in the {} process", to_string(report.role)), probed.locked));
  report.guards = std::move(probed.guards);
  report.tried.push_back(judge(report.role, attempt, ours, process));
  return {};
}

}  // namespace

Result<std::vector<RoleReport>> probe_roles(const std::optional<Identities>& identities) {
  std::vector<RoleReport> reports;
  for (const Role role : {Role::keeper, Role::net, Role::verify, Role::edge}) {
    RoleReport& report = reports.emplace_back(RoleReport{.role = role});
    if (identities) report.identity = role == Role::keeper ? identities->keys : identities->workers;
    const auto [ours, theirs] = TRY(Channel::make_pair());
    const Channel* const channels[] = {&theirs};
    const Process sibling =
        TRY(Process::start(Role::verify, {.identity = report.identity}, channels));
    for (const Attempt& attempt : kAttempts) TRY(probe(report, attempt, sibling.pid()));
  }
  return reports;
}

}  // namespace everseal::privsep
