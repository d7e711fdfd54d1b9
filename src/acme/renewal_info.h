// What the CA says about when a certificate should be renewed (RFC 9773).
#pragma once

#include <span>
#include <string>
#include <vector>

#include "acme/client.h"
#include "acme/resources.h"
#include "base/clock.h"
#include "base/result.h"
#include "crypto/certificate.h"

namespace everseal::acme {

// The identifier of a certificate (RFC 9773 §4.1): its issuer's key and its serial number, both as
// base64url. Errors: invalid (it does not name its issuer's key).
Result<std::string> certificate_id(const crypto::Certificate& certificate);

// An answer, or why there is none.
struct RenewalInfo {
  // Errors: transient (nobody answered, or a 5xx: what was known before still holds); rejected (the
  // CA has none for this certificate, or one that is malformed or ends before it starts).
  Result<RenewalWindow> window = base::transient("not asked");
  // How long not to ask again: as the CA wants it, within a minute and a day; else six hours (RFC
  // 9773 §4.3).
  base::Seconds ask_again{};
};

RenewalInfo read_renewal_info(const Result<http::Response>& result, Time now);

// Asks for each of these certificates, by their identifiers; in their order. Nothing is signed, no
// account is needed. A CA whose directory has no renewalInfo has none for any.
// Errors: those of Client::directory().
Result<std::vector<RenewalInfo>> fetch_renewal_info(Client& client,
                                                    std::span<const std::string> ids);

}  // namespace everseal::acme
