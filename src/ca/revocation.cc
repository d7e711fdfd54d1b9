#include <fmt/format.h>

#include <algorithm>

#include "base/encoding.h"
#include "ca/json.h"
#include "ca/resources.h"
#include "crypto/certificate.h"

namespace everseal::ca {
namespace {

constexpr base::Seconds kListFreshness = std::chrono::hours(1);
constexpr base::Seconds kListLife = std::chrono::days(7);
constexpr base::Seconds kOcspLife = std::chrono::days(4);

// What Let's Encrypt takes: unspecified, keyCompromise, superseded, cessationOfOperation.
Checked<int> read_reason(const Object& payload) {
  const std::int64_t reason = TRY(payload.optional_integer("reason")).value_or(0);
  if (reason == 0 || reason == 1 || reason == 4 || reason == 5) return static_cast<int>(reason);
  return refuse(400, "badRevocationReason",
                fmt::format("the reason {} is none of 0, 1, 4 and 5", reason));
}

// The certificate that is sent must be ours, byte for byte.
Checked<CertificateRecord> read_certificate(Context& context, const Object& payload) {
  const auto der = base::decode_base64url(TRY(payload.text("certificate")));
  if (!der) return malformed("\"certificate\" is not base64url");
  const auto certificate = crypto::Certificate::from_der(*der);
  if (!certificate) return malformed("\"certificate\" is not a certificate");
  auto found = TRY(context.ledger.certificate(certificate->serial()));
  if (!found || found->der != *der) return no_such("certificate");
  return *std::move(found);
}

// Whether the account has a valid authorization for each name of the certificate.
Checked<bool> controls_all_names(Context& context, const Call& call,
                                 const CertificateRecord& certificate) {
  const auto order = TRY(context.ledger.order(certificate.order));
  if (!order) return false;
  for (const std::string& name : order->names) {
    const bool wildcard = name.starts_with("*.");
    if (!TRY(context.ledger.valid_authorization(call.account->id, name.substr(wildcard ? 2 : 0),
                                                wildcard, call.now)))
      return false;
  }
  return true;
}

// RFC 8555 §7.6: the account that ordered it, one that controls its names, or its own key.
Checked<> check_right(Context& context, const Call& call, const CertificateRecord& certificate) {
  const auto parsed = TRY(crypto::Certificate::from_der(certificate.der));
  if (!call.account) {
    if (call.key->der() == parsed.public_key_der()) return {};
    return unauthorized("the request is signed by another key than the certificate's");
  }
  if (certificate.account == call.account->id) return {};
  if (TRY(controls_all_names(context, call, certificate))) return {};
  return unauthorized("the account neither ordered the certificate nor controls all its names");
}

// A list is signed anew after a revocation and each hour, not for each who asks.
Checked<const SignedList*> list_of(Context& context, const std::string& issuer, Time now) {
  SignedList& list = context.lists[issuer];
  if (!list.der.empty() && now < list.at + kListFreshness) return &list;
  RevocationList fresh{.this_update = now, .next_update = now + kListLife};
  for (const CertificateRecord& each : TRY(context.ledger.revoked_certificates(issuer, now)))
    fresh.certificates.push_back({each.serial, *each.revoked_at, each.reason});
  const std::string counter = "crl " + issuer;
  const std::int64_t number = TRY(context.ledger.value(counter)) + 1;
  TRY(context.ledger.set_value(counter, number));
  fresh.number = static_cast<std::uint64_t>(number);
  list = {TRY(context.issuer.sign_crl(issuer, fresh)), now};
  return &list;
}

CertificateStatus status_of(Context& context, std::string_view issuer, std::string_view serial) {
  using enum CertificateStatus::State;
  const auto found = context.ledger.certificate(serial);
  if (!found || !*found || (*found)->issuer != issuer) return {};
  if (!(*found)->revoked_at) return {.state = good};
  return {.state = revoked, .revoked_at = *(*found)->revoked_at, .reason = (*found)->reason};
}

// RFC 6960 appendix A.1: the request is the body of a POST, or base64 in the path of a GET, of
// which RFC 3986 escapes what base64url does not have.
std::string read_ocsp_request(const Call& call) {
  if (call.method == http::Method::post) return call.payload;
  std::string text;
  for (std::size_t i = 0; i < call.words.front().size(); i++) {
    const std::string_view rest = std::string_view(call.words.front()).substr(i);
    const auto escaped = base::decode_hex(rest.substr(std::min<std::size_t>(rest.size(), 1), 2));
    const bool is_escape = rest.front() == '%' && escaped && escaped->size() == 1;
    const char c = is_escape ? escaped->front() : rest.front();
    if (is_escape) i += 2;
    if (c != '=') text += c == '+' ? '-' : c == '/' ? '_' : c;
  }
  return base::decode_base64url(text).value_or("");
}

}  // namespace

Answered revoke(Context& context, const Call& call) {
  const Object payload = TRY(Object::parse(call.payload));
  const CertificateRecord found = TRY(read_certificate(context, payload));
  TRY(check_right(context, call, found));
  const int reason = TRY(read_reason(payload));
  if (found.revoked_at) return refuse(400, "alreadyRevoked", "the certificate is revoked already");
  TRY(context.ledger.revoke(found.serial, call.now, reason));
  context.lists.clear();
  return http::Response{.status = 200, .headers = {}, .body = ""};
}

Answered revocation_list(Context& context, const Call& call) {
  const std::string& file = call.words.front();
  const std::string issuer = file.ends_with(".crl") ? file.substr(0, file.size() - 4) : "";
  if (std::ranges::find(context.issuer.intermediates(), issuer, &Intermediate::id) ==
      context.issuer.intermediates().end())
    return no_such("revocation list");
  const SignedList& list = *TRY(list_of(context, issuer, call.now));
  return http::Response{
      .status = 200, .headers = {{"Content-Type", "application/pkix-crl"}}, .body = list.der};
}

Answered ocsp(Context& context, const Call& call) {
  if (!context.policy.ocsp) return no_such("resource");
  const OcspAnswerer answerer{
      .status = [&](std::string_view issuer,
                    std::string_view serial) { return status_of(context, issuer, serial); },
      .this_update = call.now,
      .next_update = call.now + kOcspLife};
  return http::Response{.status = 200,
                        .headers = {{"Content-Type", "application/ocsp-response"}},
                        .body = context.issuer.answer_ocsp(read_ocsp_request(call), answerer)};
}

}  // namespace everseal::ca
