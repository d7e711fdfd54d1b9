// What time it should be, by a clock that nobody sets.
#pragma once

#include "base/clock.h"

namespace everseal::app {

// Both clocks at one moment.
struct ClockReading {
  Time now{};                  // of the wall clock
  base::Seconds since_boot{};  // of the clock that goes on while the machine sleeps

  // When the machine was started, by the wall clock: as long as nobody sets it, that is the same.
  Time boot() const { return now - since_boot; }
};

ClockReading read_clocks(const Clock& wall_clock);

// Believes the wall clock as it was at first, and as it was set once that is an hour ago.
class Reckoning {
 public:
  explicit Reckoning(const ClockReading& first) : boot_(first.boot()), as_set_(first) {}

  // Of readings in the order in which they were made.
  Time expected(const ClockReading& reading);

  // Somebody else said what time it was then.
  void learn(const ClockReading& then, Time time) { boot_ = time - then.since_boot; }

 private:
  Time boot_;
  ClockReading as_set_;  // the first since the wall clock was set
};

}  // namespace everseal::app
