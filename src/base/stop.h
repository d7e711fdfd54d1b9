// A signal's wish that this process ends.
#pragma once

#include <sys/types.h>

#include <atomic>

namespace everseal::base {

// Set by a signal: work ends soon and tidily.
extern std::atomic<bool> stop_requested;

// How long tidying up may take: less than the TimeoutStopSec of our units, 30 s.
inline constexpr unsigned kSecondsToStop = 25;

// SIGINT, SIGTERM, SIGHUP and SIGQUIT set it. The second of a kind ends the process at once, and
// kSecondsToStop after the first it ends with status 1, whatever it waits for: the next run takes
// back or goes on with what it began. A program that runs for it ends with it. SIGPIPE and SIGXFSZ
// (a file would be larger than RLIMIT_FSIZE) are ignored: write(2) gives the error.
void catch_signals();

// The process group of a program that is to end with this process; 0: there is none.
extern std::atomic<pid_t> running_group;

}  // namespace everseal::base
