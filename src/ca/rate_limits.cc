#include "ca/rate_limits.h"

#include <fmt/format.h>

#include <algorithm>

namespace everseal::ca {
namespace {

constexpr std::size_t kMostBucketsInMemory = 100'000;

std::int64_t milliseconds(Time time) { return time.time_since_epoch().count() * 1000; }
std::int64_t milliseconds(Instant time) {
  return std::chrono::floor<base::Milliseconds>(time.time_since_epoch()).count();
}

std::string key_of(std::string_view bucket) { return fmt::format("limit {}", bucket); }

}  // namespace

Result<std::optional<base::Seconds>> RateLimits::wait(std::string_view bucket, const Limit& limit) {
  const std::int64_t full_at = TRY(ledger_.value(key_of(bucket)));
  const auto left = base::TokenBucket::wait(full_at, limit, milliseconds(clock_.now()));
  if (left.count() <= 0) return std::nullopt;
  return std::chrono::ceil<base::Seconds>(left);
}

Result<> RateLimits::take(std::string_view bucket, const Limit& limit) {
  const std::int64_t full_at = TRY(ledger_.value(key_of(bucket)));
  return ledger_.set_value(key_of(bucket),
                           base::TokenBucket::take(full_at, limit, milliseconds(clock_.now())));
}

Result<> RateLimits::fill(std::string_view bucket) { return ledger_.set_value(key_of(bucket), 0); }

bool RequestLimits::take(const std::string& bucket, const Limit& limit) {
  const std::int64_t now = milliseconds(clock_.steady_now());
  if (full_at_.size() >= kMostBucketsInMemory) forget_full_ones(now);
  std::int64_t& full_at = full_at_[bucket];
  if (base::TokenBucket::wait(full_at, limit, now).count() > 0) return false;
  full_at = base::TokenBucket::take(full_at, limit, now);
  return true;
}

void RequestLimits::forget_full_ones(std::int64_t now) {
  std::erase_if(full_at_, [&](const auto& each) { return each.second <= now; });
  if (full_at_.size() >= kMostBucketsInMemory) full_at_.clear();
}

}  // namespace everseal::ca
