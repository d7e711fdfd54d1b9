#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/address.h"
#include "base/encoding.h"
#include "ca/faults.h"
#include "ca/json.h"
#include "ca/resources.h"
#include "ca/signing.h"
#include "crypto/certificate_request.h"
#include "crypto/jws.h"

namespace everseal::ca {
namespace {

std::unexpected<Refusal> bad_request(std::string detail) {
  return refuse(400, "badCSR", std::move(detail));
}

// All that the request names, sorted, each once; the common name among them (RFC 8555 §7.4).
std::vector<std::string> names_of(const crypto::ReceivedRequest& request) {
  std::vector<std::string> names = request.dns_names;
  names.insert(names.end(), request.addresses.begin(), request.addresses.end());
  if (!request.common_name.empty()) names.push_back(request.common_name);
  std::ranges::sort(names);
  names.erase(std::ranges::unique(names).begin(), names.end());
  return names;
}

Checked<std::string> read_request(const Call& call) {
  const Object payload = TRY(Object::parse(call.payload));
  auto der = base::decode_base64url(TRY(payload.text("csr")));
  if (!der) return malformed("\"csr\" is not base64url");
  return *std::move(der);
}

Checked<crypto::ReceivedRequest> parse_request(const std::string& der) {
  auto request = crypto::parse_certificate_request(der);
  if (!request) return bad_request(request.error().message);
  return *std::move(request);
}

// The key must be the certificate's alone: neither the account's (RFC 8555 §11.1) nor one that was
// revoked because others know it.
Checked<> check_key(Context& context, const Call& call, const std::string& key_der) {
  if (key_der == call.key->der()) return bad_request("the certificate's key is the account's");
  if (TRY(context.ledger.is_compromised(crypto::sha256(key_der))))
    return refuse(400, "badCSR",
                  "a certificate of this key was revoked because the key is known to others");
  return {};
}

Checked<> check_request(const crypto::ReceivedRequest& request, const Order& order) {
  if (request.has_other_names)
    return bad_request("the request names something that is neither a DNS name nor an address");
  if (std::ranges::find(request.other_extensions, "tlsfeature") != request.other_extensions.end())
    return bad_request("certificates that must be stapled are not issued");
  const auto names = names_of(request);
  if (names == order.names) return {};
  return bad_request(fmt::format("the request is for {}, the order for {}",
                                 base::printable(fmt::format("{}", fmt::join(names, ", "))),
                                 fmt::join(order.names, ", ")));
}

void set_names(LeafRequest& leaf, const std::vector<std::string>& names) {
  for (const std::string& name : names)
    (base::canonical_address(name) ? leaf.addresses : leaf.dns_names).push_back(name);
}

LeafRequest leaf_of(const Context& context, const Order& order, const Profile& profile,
                    std::string key_der, Time now) {
  LeafRequest leaf{.public_key_der = std::move(key_der),
                   .common_name = profile.common_name,
                   .key_encipherment = profile.key_encipherment,
                   .subject_key_id = profile.subject_key_id,
                   .crl_directory_url = fmt::format("http://{}/crl/", context.host)};
  if (context.policy.ocsp) leaf.ocsp_url = fmt::format("http://{}/ocsp", context.host);
  set_names(leaf, order.names);
  const base::Seconds validity = profile.terms_at(now).validity;
  leaf.not_before = order.not_before.value_or(now - kBackdating);
  leaf.not_after = order.not_after.value_or(leaf.not_before + validity - base::Seconds(1));
  return leaf;
}

// What a test wants to be wrong with it.
void distort(LeafRequest& leaf, const IssuanceFault& fault, Time now) {
  if (!fault.names.empty()) {
    leaf.dns_names.clear();
    leaf.addresses.clear();
    set_names(leaf, fault.names);
  }
  if (fault.begins) leaf.not_before = now + *fault.begins;
  if (fault.ends) leaf.not_after = now + *fault.ends;
  if (!fault.key_der.empty()) leaf.public_key_der = fault.key_der;
}

Checked<bool> is_looked_at(Context& context, const Order& order, Time now) {
  for (const std::int64_t id : order.authorizations) {
    const auto each = TRY(context.ledger.authorization(id));
    if (!each || each->status != AuthorizationStatus::valid)
      return unauthorized("an authorization of the order is valid no more");
    if (is_caa_stale(context.policy, order, *each, now)) return false;
  }
  return true;
}

Checked<> fail(Context& context, Order& order, const acme::Problem& problem) {
  order.status = OrderStatus::invalid;
  order.error = to_json(problem);
  context.processed_faults.erase(order.id);
  return context.ledger.update(order);
}

// Issues it if nothing is left to wait for.
Checked<> go_on(Context& context, Order& order) {
  const Time now = context.clock.now();
  if (!TRY(is_looked_at(context, order, now))) return {};
  const auto fault = context.processed_faults.extract(order.id);
  return issue(context, order, fault ? fault.mapped().get() : nullptr, now);
}

// A certificate whose order could not be brought to its end does not stay: the order fails as it
// was before.
Checked<> go_on_or_fail(Context& context, Order& order) {
  Order changed = order;
  TRY(context.ledger.begin_request());
  const auto done = go_on(context, changed);
  if (done) return context.ledger.keep_request();
  if (!done.error().cause.empty()) context.log(done.error().cause);
  TRY(context.ledger.undo_request());
  return fail(context, order, done.error().problem);
}

}  // namespace

Checked<std::string> accept_request(Context& context, const Call& call, const Order& order) {
  std::string der = TRY(read_request(call));
  const auto request = TRY(parse_request(der));
  TRY(check_request(request, order));
  TRY(check_key(context, call, request.public_key_der));
  return der;
}

Checked<> issue(Context& context, Order& order, const IssuanceFault* fault, Time now) {
  const auto request = TRY(parse_request(order.request));
  const Profile* const profile = context.policy.find_profile(order.profile);
  if (!profile)
    return refuse(400, "invalidProfile", fmt::format("the profile {} is no more", order.profile));
  LeafRequest leaf = leaf_of(context, order, *profile, request.public_key_der, now);
  if (fault) distort(leaf, *fault, now);
  order.serial = TRY(sign_leaf(context.ledger, context.issuer, context.random, std::move(leaf),
                               {.account = order.account, .order = order.id}))
                     .serial;
  order.status = OrderStatus::valid;
  order.request.clear();
  TRY(context.ledger.update(order));
  if (!order.replaces.empty()) {
    const auto replaced = TRY(find_by_certificate_id(context, order.replaces));
    TRY(context.ledger.set_replaced(replaced.serial, order.id));
  }
  TRY(count_certificate(context, order));
  return {};
}

Checked<> go_on_with_orders(Context& context, const Authorization& authorization,
                            const std::optional<acme::Problem>& problem) {
  for (Order& each : TRY(context.ledger.processed_orders(authorization.account))) {
    if (std::ranges::find(each.authorizations, authorization.id) == each.authorizations.end())
      continue;
    TRY(problem ? fail(context, each, *problem) : go_on_or_fail(context, each));
  }
  return {};
}

}  // namespace everseal::ca
