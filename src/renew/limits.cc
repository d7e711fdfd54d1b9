#include "renew/limits.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "base/encoding.h"
#include "base/registered_domain.h"
#include "crypto/jws.h"
#include "renew/words.h"

namespace everseal::renew {
namespace {

using base::TokenBucket;

constexpr std::string_view kLetsEncrypt = "https://acme-v02.api.letsencrypt.org/";
constexpr base::Milliseconds kLongestRetryAfter = std::chrono::days(1);

std::int64_t milliseconds(Time time) { return time.time_since_epoch().count() * 1000; }

// Rounded up to the second.
Time to_time(std::int64_t milliseconds) {
  return Time(std::chrono::ceil<base::Seconds>(base::Milliseconds(milliseconds)));
}

std::string digest(std::vector<std::string> names) {
  std::ranges::sort(names);
  return base::base64url(crypto::sha256(fmt::format("{}", fmt::join(names, " "))));
}

}  // namespace

Result<base::Limit> parse_limit(std::string_view text) {
  struct Unit {
    std::string_view name;
    base::Milliseconds length;
  };
  static constexpr Unit kUnits[] = {{"s", std::chrono::seconds(1)},
                                    {"min", std::chrono::minutes(1)},
                                    {"h", std::chrono::hours(1)},
                                    {"d", std::chrono::days(1)}};
  constexpr std::int64_t kMost = 1'000'000;
  std::int64_t count = 0, length = 0;
  const char* const end = text.data() + text.size();
  const auto [slash, bad_count] = std::from_chars(text.data(), end, count);
  if (bad_count == std::errc() && slash != end && *slash == '/') {
    const auto [rest, bad_length] = std::from_chars(slash + 1, end, length);
    const Unit* const unit = std::ranges::find(kUnits, std::string_view(rest, end), &Unit::name);
    if (bad_length == std::errc() && unit != std::end(kUnits) && count > 0 && count <= kMost &&
        length > 0 && length <= kMost)
      return base::Limit{count, std::max(unit->length * length / count, base::Milliseconds(1))};
  }
  return base::invalid(
      fmt::format("not a limit: {}; for example \"300/3h\"", base::printable(text, 40)));
}

std::optional<Limits> known_limits(std::string_view directory_url) {
  if (directory_url.starts_with(kLetsEncrypt)) return Limits();
  return std::nullopt;
}

void LimitLedger::set_limits(const std::string& server, std::optional<Limits> limits) {
  limits_[server] = limits;
}

std::optional<Limits> LimitLedger::limits_of(const std::string& server) const {
  const auto set = limits_.find(server);
  return set != limits_.end() ? set->second : known_limits(server);
}

std::vector<LimitLedger::Bucket> LimitLedger::of_order(const Intent& intent,
                                                       const Limits& limits) const {
  if (intent.kind != OrderKind::first) return {};
  return {{fmt::format("{} orders", intent.server), limits.orders_per_account,
           "orders of this account"}};
}

std::vector<LimitLedger::Bucket> LimitLedger::of_certificate(const Intent& intent,
                                                             const Limits& limits) const {
  if (intent.kind == OrderKind::replacement) return {};
  std::vector<Bucket> buckets = {{fmt::format("{} names {}", intent.server, digest(intent.names)),
                                  limits.certificates_per_names,
                                  "certificates for exactly these names"}};
  if (intent.kind == OrderKind::renewal) return buckets;
  std::set<std::string> domains;
  for (const std::string& name : intent.names) domains.insert(base::registered_domain(name));
  for (const std::string& domain : domains)
    buckets.push_back({fmt::format("{} domain {}", intent.server, domain),
                       limits.certificates_per_domain, fmt::format("certificates for {}", domain)});
  return buckets;
}

std::vector<LimitLedger::Bucket> LimitLedger::of_failures(const Intent& intent,
                                                          const Limits& limits) const {
  std::vector<Bucket> buckets;
  for (const std::string& name : intent.names)
    buckets.push_back({fmt::format("{} failures {}", intent.server, name), limits.failures_per_name,
                       fmt::format("failed validations of {}", name)});
  return buckets;
}

std::vector<LimitLedger::Bucket> LimitLedger::all(const Intent& intent) const {
  const auto limits = limits_of(intent.server);
  if (!limits) return {};
  std::vector<Bucket> buckets = of_certificate(intent, *limits);
  std::ranges::move(of_order(intent, *limits), std::back_inserter(buckets));
  std::ranges::move(of_failures(intent, *limits), std::back_inserter(buckets));
  return buckets;
}

std::optional<LimitLedger::Delay> LimitLedger::delay(const Intent& intent, Time now) const {
  std::optional<Delay> longest;
  for (const Bucket& bucket : all(intent)) {
    const auto wait = TokenBucket::wait(full_at(bucket, now), bucket.limit, milliseconds(now));
    if (wait.count() <= 0) continue;
    const Time until = to_time(milliseconds(now) + wait.count());
    if (longest && longest->until >= until) continue;
    longest = {until,
               fmt::format("{0} of {0} {1} in {2} are used", bucket.limit.burst, bucket.what,
                           in_words(span(bucket))),
               bucket.name, bucket.limit.refill};
  }
  return longest;
}

std::vector<LimitLedger::Use> LimitLedger::uses(const Intent& intent, Time now) const {
  const auto limits = limits_of(intent.server);
  if (!limits) return {};
  std::vector<Bucket> buckets = of_certificate(intent, *limits);
  std::ranges::move(of_order(intent, *limits), std::back_inserter(buckets));
  std::vector<Use> uses;
  for (const Bucket& bucket : buckets) {
    const auto taken = TokenBucket::taken(full_at(bucket, now), bucket.limit, milliseconds(now));
    uses.push_back({bucket.what, taken + 1, bucket.limit.burst, span(bucket)});
  }
  return uses;
}

// In which a bucket fills again.
base::Seconds LimitLedger::span(const Bucket& bucket) {
  return std::chrono::floor<base::Seconds>(bucket.limit.burst * bucket.limit.refill);
}

// No bucket takes longer than that; one that does was counted by a clock that was ahead.
std::int64_t LimitLedger::full_at(const Bucket& bucket, Time now) const {
  const auto found = buckets_.find(bucket.name);
  if (found == buckets_.end()) return 0;
  const auto longest = bucket.limit.burst * bucket.limit.refill + kLongestRetryAfter;
  return std::min(found->second, milliseconds(now) + longest.count());
}

void LimitLedger::take(const Bucket& bucket, Time now) {
  change(bucket.name) = TokenBucket::take(full_at(bucket, now), bucket.limit, milliseconds(now));
}

void LimitLedger::reserve(const Intent& intent, Time now) {
  ordered(intent, now);
  issued(intent, now);
}

void LimitLedger::queue(const Delay& delay) { buckets_.at(delay.bucket) += delay.refill.count(); }

void LimitLedger::ordered(const Intent& intent, Time now) {
  const auto limits = limits_of(intent.server);
  if (!limits) return;
  for (const Bucket& bucket : of_order(intent, *limits)) take(bucket, now);
}

void LimitLedger::issued(const Intent& intent, Time now) {
  const auto limits = limits_of(intent.server);
  if (!limits) return;
  for (const Bucket& bucket : of_certificate(intent, *limits)) take(bucket, now);
}

void LimitLedger::failed(const std::string& server, const std::string& name, Time now) {
  const auto limits = limits_of(server);
  if (!limits) return;
  for (const Bucket& bucket : of_failures({.server = server, .names = {name}}, *limits))
    take(bucket, now);
}

// Let's Encrypt: "too many new orders (300) from this account …", "too many certificates (5)
// already issued for this exact set of identifiers …", "too many certificates (50) already issued
// for "example.com" …", "too many failed authorizations (5) for "example.com" …".
void LimitLedger::refused(const Intent& intent, Time until, std::string_view words) {
  const auto limits = limits_of(intent.server);
  if (!limits) return;
  const Intent counted{intent.server, intent.names, OrderKind::first};
  std::vector<Bucket> buckets = all(counted);
  const auto chosen = std::ranges::find_if(buckets, [&](const Bucket& bucket) {
    if (words.contains("new orders")) return bucket.name.ends_with(" orders");
    if (words.contains("exact")) return bucket.name.contains(" names ");
    const bool about_failures = words.contains("failed");
    const std::string_view name = std::string_view(bucket.name).substr(bucket.name.rfind(' ') + 1);
    return bucket.name.contains(about_failures ? " failures " : " domain ") && words.contains(name);
  });
  const Bucket& bucket = chosen == buckets.end() ? buckets.front() : *chosen;
  std::int64_t& full_at = change(bucket.name);
  full_at = std::max(full_at, TokenBucket::empty_until(milliseconds(until), bucket.limit));
}

std::int64_t& LimitLedger::change(const std::string& bucket) {
  changed_.insert(bucket);
  return buckets_[bucket];
}

LimitLedger::Buckets LimitLedger::take_changed() {
  Buckets changed;
  for (const std::string& each : std::exchange(changed_, {}))
    if (const auto found = buckets_.find(each); found != buckets_.end()) changed.insert(*found);
  return changed;
}

}  // namespace everseal::renew
