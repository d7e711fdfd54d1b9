#include "base/stop.h"

#include <signal.h>
#include <unistd.h>

#include <string_view>

namespace everseal::base {
namespace {

void request_stop(int) {
  stop_requested = true;
  ::alarm(kSecondsToStop);
}

void end_at_once(int) {
  constexpr std::string_view kText =
      "everseal: it did not end in time after a signal; run again, what was begun is resumed\n";
  static_cast<void>(::write(STDERR_FILENO, kText.data(), kText.size()) < 0);
  if (const pid_t group = running_group; group > 0) ::kill(-group, SIGKILL);
  ::_exit(1);
}

}  // namespace

std::atomic<bool> stop_requested = false;
std::atomic<pid_t> running_group = 0;
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<pid_t>::is_always_lock_free);

void catch_signals() {
  struct sigaction stop{};
  stop.sa_handler = request_stop;
  stop.sa_flags = static_cast<int>(SA_RESETHAND);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) ::sigaction(signal, &stop, nullptr);
  struct sigaction end{};
  end.sa_handler = end_at_once;
  ::sigaction(SIGALRM, &end, nullptr);
  for (const int signal : {SIGPIPE, SIGXFSZ}) ::signal(signal, SIG_IGN);
}

}  // namespace everseal::base
