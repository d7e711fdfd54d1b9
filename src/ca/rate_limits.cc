#include "ca/rate_limits.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/address.h"
#include "base/encoding.h"
#include "base/shared_library.h"

namespace everseal::ca {
namespace {

constexpr std::size_t kMostBucketsInMemory = 100'000;

std::int64_t milliseconds(Time time) { return time.time_since_epoch().count() * 1000; }
std::int64_t milliseconds(Instant time) {
  return std::chrono::floor<base::Milliseconds>(time.time_since_epoch()).count();
}

std::string key_of(std::string_view bucket) { return fmt::format("limit {}", bucket); }

// The functions of libpsl that we call (libpsl(3)); its header is not needed for them.
struct PublicSuffixList {
  const void* (*builtin)();
  const char* (*registrable_domain)(const void* list, const char* name);
};

Result<PublicSuffixList> open_list() {
  PublicSuffixList list;
  const auto library = TRY(base::SharedLibrary::open("libpsl.so.5", "Debian's libpsl5"));
  TRY(library.find("psl_builtin", list.builtin));
  TRY(library.find("psl_registrable_domain", list.registrable_domain));
  return list;
}

std::string last_two_labels(std::string_view name) {
  const std::size_t last = name.rfind('.');
  if (last == name.npos || last == 0) return std::string(name);
  const std::size_t before = name.rfind('.', last - 1);
  return std::string(name.substr(before == name.npos ? 0 : before + 1));
}

// "2001:db8::/64" of "2001:db8::1".
std::string network_of(const std::string& address) {
  in6_addr bytes{};
  if (!address.contains(':') || ::inet_pton(AF_INET6, address.c_str(), &bytes) != 1) return address;
  std::fill(bytes.s6_addr + 8, bytes.s6_addr + 16, std::uint8_t{0});
  char text[INET6_ADDRSTRLEN];
  return fmt::format("{}/64", ::inet_ntop(AF_INET6, &bytes, text, sizeof text));
}

}  // namespace

base::Milliseconds Buckets::wait(std::int64_t full_at, const Limit& limit, std::int64_t now) {
  const std::int64_t capacity = limit.burst * limit.refill.count();
  return base::Milliseconds(std::max(full_at, now) + limit.refill.count() - capacity - now);
}

std::int64_t Buckets::take(std::int64_t full_at, const Limit& limit, std::int64_t now) {
  return std::max(full_at, now) + limit.refill.count();
}

Result<std::optional<base::Seconds>> RateLimits::wait(std::string_view bucket, const Limit& limit) {
  const std::int64_t full_at = TRY(ledger_.value(key_of(bucket)));
  const auto left = Buckets::wait(full_at, limit, milliseconds(clock_.now()));
  if (left.count() <= 0) return std::nullopt;
  return std::chrono::ceil<base::Seconds>(left);
}

Result<> RateLimits::take(std::string_view bucket, const Limit& limit) {
  const std::int64_t full_at = TRY(ledger_.value(key_of(bucket)));
  return ledger_.set_value(key_of(bucket),
                           Buckets::take(full_at, limit, milliseconds(clock_.now())));
}

Result<> RateLimits::fill(std::string_view bucket) { return ledger_.set_value(key_of(bucket), 0); }

bool RequestLimits::take(const std::string& bucket, const Limit& limit) {
  const std::int64_t now = milliseconds(clock_.steady_now());
  if (full_at_.size() >= kMostBucketsInMemory) forget_full_ones(now);
  std::int64_t& full_at = full_at_[bucket];
  if (Buckets::wait(full_at, limit, now).count() > 0) return false;
  full_at = Buckets::take(full_at, limit, now);
  return true;
}

void RequestLimits::forget_full_ones(std::int64_t now) {
  std::erase_if(full_at_, [&](const auto& each) { return each.second <= now; });
  if (full_at_.size() >= kMostBucketsInMemory) full_at_.clear();
}

std::string registered_domain(std::string_view name) {
  if (const auto address = base::canonical_address(name)) return network_of(*address);
  if (name.starts_with("*.")) name.remove_prefix(2);
  static const Result<PublicSuffixList> opened = open_list();
  if (!opened) return last_two_labels(name);
  const std::string terminated(name);
  const char* const found = opened->registrable_domain(opened->builtin(), terminated.c_str());
  return found ? found : terminated;  // a public suffix itself
}

}  // namespace everseal::ca
