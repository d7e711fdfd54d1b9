// The resources of RFC 8555 §7.1 and their kin, a file for each.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "ca/call.h"

namespace everseal::ca {

class Object;  // ca/json.h

// directory.cc: RFC 8555 §7.1.1, §7.2.
Answered directory(Context& context, const Call& call);
Answered new_nonce(Context& context, const Call& call);

// account.cc: §7.3. Whoever asks has been let in, the account's own URL not yet.
Answered new_account(Context& context, const Call& call);
Answered account(Context& context, const Call& call);
Answered orders(Context& context, const Call& call);

// key_change.cc: §7.3.5.
Answered key_change(Context& context, const Call& call);

// order.cc: §7.4.
Answered new_order(Context& context, const Call& call);
Answered order(Context& context, const Call& call);
Answered finalize(Context& context, const Call& call);

// What an order is now: its status follows from its authorizations and the time (§7.1.6).
struct Standing {
  OrderStatus status = OrderStatus::invalid;
  std::string error{};  // problem document, or empty
};
Checked<Standing> standing(Context& context, const Order& order, Time now);

// authorization.cc: §7.4.1, §7.5.
Answered new_authorization(Context& context, const Call& call);
Answered authorization(Context& context, const Call& call);
Answered challenge(Context& context, const Call& call);

// The status of an authorization at `now` (§7.1.6).
AuthorizationStatus status_at(const Authorization& authorization, Time now);

// Whether CAA must be looked at again before the order's certificate is issued.
bool is_caa_stale(const Policy& policy, const Order& order, const Authorization& authorization,
                  Time now);

// An authorization of the caller for `name` ("*." in front for a wildcard): one that is valid, or a
// new one.
Checked<Authorization> find_or_make_authorization(Context& context, const Call& call,
                                                  std::string_view name, const Profile& profile);

// What a validator found becomes the authorization's status, or, where it looked at CAA again, the
// end of the orders that wait for it.
Checked<> decide(Context& context, const ValidationOutcome& outcome);

// RFC 8659 §3: CAA records are looked at before a certificate is issued, for an authorization that
// is reused too, and the look is at most 8 h old (CA/B baseline requirements §3.2.2.8). Starts the
// looks that `order` still needs; how many they are. `base` is that of the accounts' URLs,
// `network` that of whoever finalizes it.
Checked<std::size_t> look_at_caa_again(Context& context, const Order& order, std::string_view base,
                                       const std::string& network, Time now);

// Begins what a restart interrupted; `base` is that of the accounts' URLs.
Checked<> resume_validations(Context& context, std::string_view base);

// order_rates.cc: https://letsencrypt.org/docs/rate-limits/.

// Refuses a new order that comes too often, and counts it.
Checked<> check_order_rates(Context& context, const Order& order);
// Counts what was issued.
Checked<> count_certificate(Context& context, const Order& order);

// finalization.cc: §7.4.

// What the caller wants to be certified, DER, if it is fit for the order.
Checked<std::string> accept_request(Context& context, const Call& call, const Order& order);

// The certificate of an order whose request was accepted. Changes the order.
Checked<> issue(Context& context, Order& order, const IssuanceFault* fault, Time now);

// What became of a look at CAA: orders that wait for it fail, or are issued if it was the last.
Checked<> go_on_with_orders(Context& context, const Authorization& authorization,
                            const std::optional<acme::Problem>& problem);

// certificate.cc: §7.4.2.
Answered certificate(Context& context, const Call& call);
Answered issuer_certificate(Context& context, const Call& call);

// revocation.cc: §7.6; RFC 5280 §5, RFC 6960 appendix A.
Answered revoke(Context& context, const Call& call);
Answered revocation_list(Context& context, const Call& call);
Answered ocsp(Context& context, const Call& call);

// renewal_info.cc: RFC 9773 §4.
Answered renewal_info(Context& context, const Call& call);

// When a certificate should be renewed: as somebody set it, in the past if it is revoked, else as
// Let's Encrypt has it.
Checked<RenewalWindow> window_of(Context& context, const CertificateRecord& certificate);

// The certificate of ours that such an identifier names (§4.1). Refuses what is none as malformed,
// and with 404 what is unknown.
Checked<CertificateRecord> find_by_certificate_id(Context& context, std::string_view id);

// identifier.cc: RFC 8555 §9.7.7, RFC 8738.

// The names of an order's "identifiers": sorted, each once. Refuses all that cannot be certified
// together, with a subproblem for each.
Checked<std::vector<std::string>> read_identifiers(const Profile& profile,
                                                   const std::vector<Object>& identifiers);

// The URL of the terms of service, and the refusal of accounts that have not agreed to them
// (§7.3.3).
Refusal action_required(const Policy& policy, std::string detail);

}  // namespace everseal::ca
