#include <fmt/format.h>

#include <algorithm>

#include "base/encoding.h"
#include "ca/json.h"
#include "ca/resources.h"

namespace everseal::ca {
namespace {

constexpr base::Seconds kShortLife = std::chrono::days(10);
constexpr base::Seconds kImmediately = std::chrono::minutes(30);

// Around two thirds of the life, of a short one around its half, two hundredths of it wide.
RenewalWindow usual_window(const CertificateRecord& certificate) {
  const base::Seconds life = certificate.not_after - certificate.not_before + base::Seconds(1);
  const Time middle = certificate.not_before + (life < kShortLife ? life / 2 : life * 2 / 3);
  return {middle - life / 100, middle + life / 100, ""};
}

// Whether the certificate was signed by the key of this identifier. Answered many times a day for
// every certificate: without reading it.
bool is_signed_by(const Context& context, const CertificateRecord& certificate,
                  std::string_view key_identifier) {
  const auto& intermediates = context.issuer.intermediates();
  const auto issuer = std::ranges::find(intermediates, certificate.issuer, &Intermediate::id);
  return issuer != intermediates.end() && issuer->key_identifier() == key_identifier;
}

// A serial number is positive: DER has a zero byte before a first one above 127.
std::string without_sign_byte(std::string bytes) {
  if (bytes.size() > 1 && bytes.front() == '\0') bytes.erase(0, 1);
  return bytes;
}

}  // namespace

Checked<CertificateRecord> find_by_certificate_id(Context& context, std::string_view id) {
  const std::size_t dot = id.find('.');
  const auto authority = base::decode_base64url(id.substr(0, dot));
  const auto serial = base::decode_base64url(dot == id.npos ? "" : id.substr(dot + 1));
  if (dot == id.npos || !authority || !serial || authority->empty() || serial->empty())
    return malformed("not the identifier of a certificate (RFC 9773, section 4.1)");
  auto found = TRY(context.ledger.certificate(base::hex(without_sign_byte(*serial))));
  if (!found || !is_signed_by(context, *found, *authority)) return no_such("certificate");
  return *std::move(found);
}

Checked<RenewalWindow> window_of(Context& context, const CertificateRecord& certificate) {
  if (auto set = TRY(context.ledger.renewal_window(certificate))) return *std::move(set);
  if (!certificate.revoked_at) return usual_window(certificate);
  return RenewalWindow{*certificate.revoked_at - 2 * kImmediately,
                       *certificate.revoked_at - kImmediately, ""};
}

Answered renewal_info(Context& context, const Call& call) {
  const CertificateRecord found = TRY(find_by_certificate_id(context, call.words.front()));
  const RenewalWindow window = TRY(window_of(context, found));
  Json json = {
      {"suggestedWindow",
       {{"start", base::to_rfc3339(window.start)}, {"end", base::to_rfc3339(window.end)}}}};
  if (!window.explanation_url.empty()) json["explanationURL"] = window.explanation_url;
  http::Response response = respond(200, dump(json));
  response.headers.push_back({"Retry-After", fmt::to_string(context.policy.renewal_poll.count())});
  return response;
}

}  // namespace everseal::ca
