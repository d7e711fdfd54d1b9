#include "app/reckoning.h"

#include <time.h>

#include <chrono>

namespace everseal::app {
namespace {

constexpr base::Seconds kIsTrusted = std::chrono::hours(1);
// Readings are of whole seconds, and time services take small steps.
constexpr base::Seconds kSmallStep = std::chrono::minutes(1);

}  // namespace

ClockReading read_clocks(const Clock& wall_clock) {
  timespec since_boot{};
  ::clock_gettime(CLOCK_BOOTTIME, &since_boot);
  return {.now = wall_clock.now(), .since_boot = base::Seconds(since_boot.tv_sec)};
}

Time Reckoning::expected(const ClockReading& reading) {
  if (std::chrono::abs(reading.boot() - as_set_.boot()) > kSmallStep) as_set_ = reading;
  if (reading.since_boot - as_set_.since_boot >= kIsTrusted) boot_ = reading.boot();
  return boot_ + reading.since_boot;
}

}  // namespace everseal::app
