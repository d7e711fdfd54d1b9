#include "base/inheritance.h"

#include <linux/close_range.h>
#include <signal.h>
#include <unistd.h>

namespace everseal::base {
namespace {

// A kernel before Linux 5.11 cannot; what programs and roles are given is closed there, too
// (SpawnActions).
void keep_descriptors() {
  static_cast<void>(::close_range(STDERR_FILENO + 1, ~0u, CLOSE_RANGE_CLOEXEC));
}

// A handler that is there already is a library's.
void heed_signals() {
  for (int signal = 1; signal <= SIGRTMAX; ++signal) {
    struct sigaction found{};
    if (::sigaction(signal, nullptr, &found) == 0 && found.sa_handler == SIG_IGN)
      ::signal(signal, SIG_DFL);
  }
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

}  // namespace

void disown_inheritance() {
  keep_descriptors();
  heed_signals();
}

}  // namespace everseal::base
