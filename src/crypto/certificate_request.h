// PKCS #10 certificate requests (RFC 2986).
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "crypto/private_key.h"

namespace everseal::crypto {

// A request for `names` in DER: an empty subject, all names in the subject alternative name (RFC
// 8555 §7.4). Errors: invalid (no name, or one that base::parse_domain_name would change).
Result<std::string> make_certificate_request(const PrivateKey& key,
                                             std::span<const std::string> names);

// A request of a stranger whose signature holds.
struct ReceivedRequest {
  std::string public_key_der{};          // PublicKey::der()
  std::string common_name{};             // lower-case; empty if there is none
  std::vector<std::string> dns_names{};  // of the alternative name, lower-case, in its order
  std::vector<std::string> addresses{};  // likewise, as inet_ntop(3) writes them
  bool has_other_names = false;          // an e-mail address, a URI, another kind of name
  // The extensions asked for besides the alternative name, as OpenSSL names them ("keyUsage",
  // "tlsfeature") or in dots.
  std::vector<std::string> other_extensions{};
};

// Reads DER. Names are of printable ASCII, but otherwise as they were sent. Errors: invalid (more
// than 64 KiB, not one certificate request, an extension twice, a name or address of an impossible
// form), rejected (a key that PublicKey refuses, a signature that does not hold or is made with a
// digest other than SHA-2).
Result<ReceivedRequest> parse_certificate_request(std::string_view der);

// The DER of one certificate request in PEM (RFC 7468 §7), also as older programs label it; what is
// no PEM is DER already. Errors: invalid (another kind of PEM, not one of them).
Result<std::string> certificate_request_der(std::string_view bytes);

}  // namespace everseal::crypto
