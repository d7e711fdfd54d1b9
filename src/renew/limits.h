// What a CA allows, counted before it is asked.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/token_bucket.h"

namespace everseal::renew {

// Of one account; the values are Let's Encrypt's (https://letsencrypt.org/docs/rate-limits/).
struct Limits {
  base::Limit orders_per_account{300, base::Seconds(36)};
  base::Limit certificates_per_domain{50, std::chrono::minutes(202)};
  base::Limit certificates_per_names{5, std::chrono::hours(34)};
  base::Limit failures_per_name{5, std::chrono::minutes(12)};
};

// Reads "300/3h": so many at once, and so many again in that time (s, min, h, d). Errors: invalid.
Result<base::Limit> parse_limit(std::string_view text);

// Those of the CA with this directory URL: Let's Encrypt's own; nullopt for all others, which say
// so themselves or allow what is asked (Let's Encrypt's staging server allows far more).
std::optional<Limits> known_limits(std::string_view directory_url);

// What an order is to the CA.
enum class OrderKind {
  first,        // for a set of names that never had a certificate: every limit counts
  renewal,      // for one that had: orders of the account and certificates of a domain do not count
  replacement,  // of a certificate, inside the window that the CA suggested: nothing counts
};

struct Intent {
  std::string server{};              // the CA's directory URL
  std::vector<std::string> names{};  // in any order
  OrderKind kind = OrderKind::first;
};

// The token buckets of each CA: which are how empty, by what was done and what the CA said. What is
// counted here is counted by the CA as well, so that it never has to refuse.
class LimitLedger {
 public:
  // Moments at which buckets will be full again, by name, in milliseconds since 1970: to be kept.
  using Buckets = std::map<std::string, std::int64_t, std::less<>>;

  // Of the CAs that known_limits() knows.
  explicit LimitLedger(Buckets buckets = {}) : buckets_(std::move(buckets)) {}
  // In place of those.
  void set_limits(const std::string& server, std::optional<Limits> limits);

  struct Delay {
    Time until{};
    std::string why{};     // "5 of 5 certificates for exactly these names in 7 days are used"
    std::string bucket{};  // the one that is empty
    base::Milliseconds refill{};
  };
  // What an order must wait for, the longest of all; nullopt: nothing.
  std::optional<Delay> delay(const Intent& intent, Time now) const;

  // An order now would be number `order` of `of` of these in `span`.
  struct Use {
    std::string what{};  // "certificates for exactly these names"
    std::int64_t order = 0, of = 0;
    base::Seconds span{};
  };
  // What it would be to the limits that count orders and certificates.
  std::vector<Use> uses(const Intent& intent, Time now) const;

  // All that an order may take until it is known how it ends.
  void reserve(const Intent& intent, Time now);

  // Gives up a place after the delay, so that who asks next is told the one behind it.
  void queue(const Delay& delay);

  // What happened: the CA took an order; issued its certificate; found a name not to be ours.
  void ordered(const Intent& intent, Time now);
  void issued(const Intent& intent, Time now);
  void failed(const std::string& server, const std::string& name, Time now);

  // The CA refused an order as rateLimited until then, in these words: it has counted what we have
  // not. By its words the bucket is chosen, else that of exactly these names.
  void refused(const Intent& intent, Time until, std::string_view words);

  const Buckets& buckets() const { return buckets_; }
  // Those that have changed since this was asked last.
  Buckets take_changed();

 private:
  struct Bucket {
    std::string name;
    base::Limit limit;
    std::string what;  // "certificates for exactly these names"
  };
  std::optional<Limits> limits_of(const std::string& server) const;
  static base::Seconds span(const Bucket& bucket);
  std::vector<Bucket> of_order(const Intent& intent, const Limits& limits) const;
  std::vector<Bucket> of_certificate(const Intent& intent, const Limits& limits) const;
  std::vector<Bucket> of_failures(const Intent& intent, const Limits& limits) const;
  std::vector<Bucket> all(const Intent& intent) const;
  std::int64_t full_at(const Bucket& bucket, Time now) const;
  void take(const Bucket& bucket, Time now);

  std::int64_t& change(const std::string& bucket);

  std::map<std::string, std::optional<Limits>> limits_;  // by server
  Buckets buckets_;
  std::set<std::string> changed_;  // of buckets_
};

}  // namespace everseal::renew
