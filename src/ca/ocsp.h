// Answers to OCSP requests (RFC 6960 §4.2).
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "ca/authority.h"

namespace everseal::ca {

struct CertificateStatus {
  enum class State { good, revoked, unknown } state = State::unknown;
  Time revoked_at{};
  int reason = 0;  // RFC 5280 §5.3.1
};

// What an answer is made from.
struct OcspAnswerer {
  // The state of what `issuer` (Intermediate::id()) issued under `serial` (hexadecimal).
  std::function<CertificateStatus(std::string_view issuer, std::string_view serial)> status;
  Time this_update{}, next_update{};
};

// The response to `request`, both in DER, signed by the one of `issuers` that the first question
// names; questions about others are answered with "unknown". To what is no request, or about none
// of `issuers`, the answer is a response that says so, without a signature.
std::string answer_ocsp(std::string_view request, const std::vector<Intermediate>& issuers,
                        const OcspAnswerer& answerer);

}  // namespace everseal::ca
