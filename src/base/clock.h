// Time as an argument: the wall clock for dates, the steady clock for deadlines.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/result.h"

namespace everseal::base {

using Seconds = std::chrono::seconds;
using Milliseconds = std::chrono::milliseconds;

// A date: certificates, attempts, the catalog. Whole seconds, UTC.
using Time = std::chrono::sys_seconds;

// A moment of the steady clock: polls, timeouts. Means nothing in another process.
using Instant = std::chrono::steady_clock::time_point;

// Interface for asking the time.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Time now() const = 0;
  virtual Instant steady_now() const = 0;
};

// The machine's clock; lives for the whole process.
const Clock& real_clock();

// A clock that stands still until it is told to move.
class FakeClock : public Clock {
 public:
  explicit FakeClock(Time start) : start_(start) {}
  Time now() const override { return start_ + std::chrono::floor<Seconds>(passed_); }
  Instant steady_now() const override { return Instant(passed_); }
  void advance(Milliseconds by) { passed_ += by; }

 private:
  Time start_;
  Milliseconds passed_{0};
};

// RFC 3339 in UTC: "2026-11-21T03:50:00Z".
std::string to_rfc3339(Time time);

// Reads RFC 3339 with any offset; fractions of a second are cut off. Errors: invalid.
Result<Time> parse_rfc3339(std::string_view text);

// RFC 9110 §5.6.7: "Sat, 21 Nov 2026 03:50:00 GMT".
std::string to_http_date(Time time);

// Reads the three forms of an HTTP date (RFC 9110 §5.6.7). Errors: invalid.
Result<Time> parse_http_date(std::string_view text);

}  // namespace everseal::base

namespace everseal {
using base::Clock;
using base::Instant;
using base::Time;
}  // namespace everseal
