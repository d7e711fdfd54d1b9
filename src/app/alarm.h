// Sleeping until a moment of the wall clock.
#pragma once

#include "base/clock.h"
#include "base/file_descriptor.h"
#include "base/result.h"

namespace everseal::app {

enum class Woken {
  at_the_moment,
  by_a_signal,
  by_the_clock,  // it was set, now or since the sleep before; or the machine was suspended
  to_say_so,     // `patience` is over
};

// Also through a suspend of the machine, and whatever happens to the clock (timerfd_create(2):
// CLOCK_REALTIME, TFD_TIMER_CANCEL_ON_SET). SIGHUP, SIGINT and SIGTERM are let through only while
// it sleeps, so that none comes unseen before; `hold_signals()` begins that. One thread.
class Alarm {
 public:
  static Result<Alarm> make();

  void hold_signals();
  void let_signals();

  // At most `patience`.
  Woken sleep(Time until, base::Milliseconds patience);

 private:
  explicit Alarm(base::FileDescriptor timer) : timer_(std::move(timer)) {}
  base::FileDescriptor timer_;
};

}  // namespace everseal::app
