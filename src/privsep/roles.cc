#include "privsep/roles.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <new>

#include "privsep/messages.h"

namespace everseal::privsep {

std::atomic<bool> role_must_end = false;

namespace {

void request_end(int) { role_must_end = true; }

void end_without_memory() { ::_exit(kNoMemoryStatus); }

void set_signals() {
  struct sigaction end{};
  end.sa_handler = request_end;
  sigaction(SIGTERM, &end, nullptr);
  for (const int ignored : {SIGPIPE, SIGXFSZ}) signal(ignored, SIG_IGN);
}

// A channel that Process::start() left there; empty if there is none.
Channel inherited(int descriptor) {
  if (::fcntl(descriptor, F_SETFD, FD_CLOEXEC) != 0) return {};
  return Channel(base::FileDescriptor(descriptor));
}

Result<> run(const RoleCommand& command, const Channel& monitor, const Channel& peer) {
  if (command.options.probe) return run_probe(command.role, monitor, command.options);
  switch (command.role) {
    case Role::keeper:
      return run_keeper(monitor, peer, command.options);
    case Role::net:
      return run_net(monitor, peer, command.options);
    case Role::verify:
      return run_verify(monitor, command.options);
    case Role::edge:
      return run_edge(monitor, command.options);
  }
  return base::internal("no such role");
}

}  // namespace

Result<> say_ready(const Channel& monitor, const Result<>& result, Strictness strictness) {
  const bool go_on = !result && strictness == Strictness::relaxed;
  TRY(monitor.send(encode(go_on ? Ready{{}, {result.error().message}} : Ready{result, {}})));
  return go_on ? Result<>() : result;
}

int run_role(std::span<const char* const> arguments) {
  set_signals();
  std::set_new_handler(end_without_memory);
  const auto command = parse_role_arguments(arguments);
  const Channel monitor = inherited(kMonitorDescriptor), peer = inherited(kPeerDescriptor);
  if (!command || !monitor) return 2;
  ::prctl(PR_SET_NAME, fmt::format("everseal-{}", to_string(command->role)).c_str());  // for ps(1)
  return run(*command, monitor, peer) ? 0 : 1;
}

}  // namespace everseal::privsep
