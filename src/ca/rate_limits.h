// How often an account, a name or an address may do something (RFC 8555 §6.6).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/clock.h"
#include "base/result.h"
#include "base/token_bucket.h"
#include "ca/ledger.h"
#include "ca/policy.h"

namespace everseal::ca {

// Buckets that the ledger remembers, for what takes hours and days. All times are the clock's.
class RateLimits {
 public:
  RateLimits(Ledger& ledger, const Clock& clock) : ledger_(ledger), clock_(clock) {}

  // How long until one more is allowed, rounded up; nullopt: now.
  Result<std::optional<base::Seconds>> wait(std::string_view bucket, const Limit& limit);
  Result<> take(std::string_view bucket, const Limit& limit);
  Result<> fill(std::string_view bucket);

 private:
  Ledger& ledger_;
  const Clock& clock_;
};

// Buckets in memory, for requests of a second: of at most 100,000 addresses; when more come, all
// begin anew.
class RequestLimits {
 public:
  explicit RequestLimits(const Clock& clock) : clock_(clock) {}

  // Takes one; false if there is none.
  bool take(const std::string& bucket, const Limit& limit);

 private:
  void forget_full_ones(std::int64_t now);

  const Clock& clock_;
  std::unordered_map<std::string, std::int64_t> full_at_;  // milliseconds of the steady clock
};

}  // namespace everseal::ca
