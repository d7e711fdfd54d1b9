// Certificate revocation lists (RFC 5280 §5).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "ca/authority.h"

namespace everseal::ca {

struct RevokedCertificate {
  std::string serial{};  // hexadecimal
  Time at{};
  int reason = 0;  // RFC 5280 §5.3.1; 0 is left out, as it should be
};

struct RevocationList {
  std::vector<RevokedCertificate> certificates{};
  std::uint64_t number = 0;  // grows with each list of an issuer
  Time this_update{}, next_update{};
};

// In DER. Errors: invalid (a serial that is not hexadecimal), internal.
Result<std::string> sign_revocation_list(const RevocationList& list, const Intermediate& issuer);

}  // namespace everseal::ca
