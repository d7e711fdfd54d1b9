// How often something may be done: both what a CA allows and what its client keeps to.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/clock.h"

namespace everseal::base {

// So many at once; then one more in each `refill`.
struct Limit {
  std::int64_t burst = 0;
  Milliseconds refill{};
};

// A token bucket is kept as the moment at which it will be full again (the generic cell rate
// algorithm), so that one that is full needs no memory. Moments are milliseconds of any one clock.
struct TokenBucket {
  // How long until one more may be taken; zero or less: now.
  static Milliseconds wait(std::int64_t full_at, const Limit& limit, std::int64_t now) {
    const std::int64_t capacity = limit.burst * limit.refill.count();
    return Milliseconds(std::max(full_at, now) + limit.refill.count() - capacity - now);
  }

  // `full_at` after one was taken.
  static std::int64_t take(std::int64_t full_at, const Limit& limit, std::int64_t now) {
    return std::max(full_at, now) + limit.refill.count();
  }

  // How many were taken and have not come back, begun ones counted.
  static std::int64_t taken(std::int64_t full_at, const Limit& limit, std::int64_t now) {
    const std::int64_t missing = std::max(full_at, now) - now;
    return (missing + limit.refill.count() - 1) / limit.refill.count();
  }

  // `full_at` if none is to be had before `moment`.
  static std::int64_t empty_until(std::int64_t moment, const Limit& limit) {
    return moment + (limit.burst - 1) * limit.refill.count();
  }
};

}  // namespace everseal::base
