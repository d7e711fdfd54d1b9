#include <fmt/format.h>
#include <fmt/ranges.h>

#include <set>

#include "base/encoding.h"
#include "base/registered_domain.h"
#include "ca/resources.h"
#include "crypto/jws.h"

namespace everseal::ca {
namespace {

struct Wanted {
  std::string bucket;
  Limit limit;
  std::string why;  // it is refused
};

std::string names_bucket(const Order& order) {
  return "names " + base::base64url(crypto::sha256(fmt::format("{}", fmt::join(order.names, " "))));
}

std::string issued(const Order& order) { return "issued " + names_bucket(order); }

// What replaces a certificate whose window has begun is free of all limits.
Checked<bool> is_free(Context& context, const Order& order) {
  if (!context.policy.limits) return true;
  if (order.replaces.empty()) return false;
  const auto replaced = TRY(find_by_certificate_id(context, order.replaces));
  return context.clock.now() >= TRY(window_of(context, replaced)).start;
}

Wanted of_account(const Order& order, const Limits& limits) {
  return {fmt::format("orders {}", order.account), limits.orders_per_account,
          "too many new orders by this account recently"};
}

std::vector<Wanted> of_certificate(const Order& order, const Limits& limits) {
  std::vector<Wanted> wanted = {
      {names_bucket(order), limits.certificates_per_names,
       fmt::format("too many certificates for exactly these names recently: {}",
                   fmt::join(order.names, ", "))}};
  std::set<std::string> domains;
  for (const std::string& name : order.names) domains.insert(base::registered_domain(name));
  for (const std::string& domain : domains)
    wanted.push_back({"domain " + domain, limits.certificates_per_domain,
                      fmt::format("too many certificates for {} recently", domain)});
  return wanted;
}

// What an order must find room in; one for names that have a certificate is a renewal and only
// limited by that.
Checked<std::vector<Wanted>> wanted_by(Context& context, const Order& order) {
  const Limits& limits = *context.policy.limits;
  std::vector<Wanted> wanted = of_certificate(order, limits);
  if (TRY(context.ledger.value(issued(order))) != 0)
    wanted.resize(1);
  else
    wanted.push_back(of_account(order, limits));
  return wanted;
}

}  // namespace

// Looks into every bucket before it takes. Certificates are only counted when they are there.
Checked<> check_order_rates(Context& context, const Order& order) {
  if (TRY(is_free(context, order))) return {};
  for (const Wanted& each : TRY(wanted_by(context, order)))
    if (const auto wait = TRY(context.limits.wait(each.bucket, each.limit)))
      return rate_limited(each.why, *wait);
  const Wanted account = of_account(order, *context.policy.limits);
  if (TRY(context.ledger.value(issued(order))) == 0)
    TRY(context.limits.take(account.bucket, account.limit));
  return {};
}

Checked<> count_certificate(Context& context, const Order& order) {
  if (TRY(is_free(context, order))) return {};
  const bool renewed = TRY(context.ledger.value(issued(order))) != 0;
  for (const Wanted& each : of_certificate(order, *context.policy.limits))
    if (!renewed || each.bucket == names_bucket(order))
      TRY(context.limits.take(each.bucket, each.limit));
  TRY(context.ledger.set_value(issued(order), 1));
  return {};
}

}  // namespace everseal::ca
