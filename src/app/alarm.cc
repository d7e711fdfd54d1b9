#include "app/alarm.h"

#include <poll.h>
#include <signal.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace everseal::app {
namespace {

sigset_t held() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGHUP, SIGINT, SIGTERM}) sigaddset(&set, signal);
  return set;
}

// Whether the clock stands as it did when the timer was armed last; either way it is armed
// (timerfd_create(2), NOTES). A moment of the past would disarm it if it were 0.
bool arm(const base::FileDescriptor& timer, Time until) {
  itimerspec when{};
  when.it_value.tv_sec = std::max<std::int64_t>(until.time_since_epoch().count(), 1);
  return ::timerfd_settime(timer.get(), TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &when,
                           nullptr) == 0;
}

}  // namespace

Result<Alarm> Alarm::make() {
  base::FileDescriptor timer(::timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!timer) return base::system_error("make a timer", errno);
  if (!arm(timer, Time::max())) return base::system_error("arm a timer", errno);
  return Alarm(std::move(timer));
}

void Alarm::hold_signals() {
  const sigset_t set = held();
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
}

void Alarm::let_signals() {
  const sigset_t set = held();
  ::sigprocmask(SIG_UNBLOCK, &set, nullptr);
}

Woken Alarm::sleep(Time until, base::Milliseconds patience) {
  if (!arm(timer_, until)) return Woken::by_the_clock;
  sigset_t none;
  sigemptyset(&none);
  const auto seconds = std::chrono::floor<base::Seconds>(patience);
  const timespec longest{seconds.count(),
                         static_cast<long>((patience - seconds).count()) * 1'000'000};
  pollfd timer{timer_.get(), POLLIN, 0};
  const int ready = ::ppoll(&timer, 1, &longest, &none);
  if (ready < 0) return Woken::by_a_signal;
  if (ready == 0) return Woken::to_say_so;
  std::uint64_t count = 0;
  if (::read(timer_.get(), &count, sizeof count) < 0 && errno == ECANCELED)
    return Woken::by_the_clock;
  return Woken::at_the_moment;
}

}  // namespace everseal::app
