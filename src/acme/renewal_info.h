// What the CA says about when a certificate should be renewed (RFC 9773).
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "acme/client.h"
#include "acme/resources.h"
#include "base/clock.h"
#include "base/result.h"

namespace everseal::acme {

// An answer, or why there is none.
struct RenewalInfo {
  // Errors: transient (nobody answered, or a 5xx: what was known before still holds); rejected (the
  // CA has none for this certificate, or one that is malformed or ends before it starts).
  Result<RenewalWindow> window = base::transient("not asked");
  // How long not to ask again: as the CA wants it, within a minute and a day; else six hours (RFC
  // 9773 §4.3).
  base::Seconds ask_again{};
  std::optional<Time> ca_time{};  // what time it is to the CA (RFC 9110 §6.6.1)
};

// What somebody says to have read so, as far as it can be: printable, and asked again in time.
RenewalInfo cleaned(RenewalInfo info);

RenewalInfo read_renewal_info(const Result<http::Response>& result, Time now);

// Asks for each of these certificates, by crypto::renewal_id(); in their order. Nothing is signed,
// no account is needed. A CA whose directory has no renewalInfo has none for any. Errors: those of
// Client::directory().
Result<std::vector<RenewalInfo>> fetch_renewal_info(Client& client,
                                                    std::span<const std::string> ids);

}  // namespace everseal::acme
