// PKCS #10 certificate requests (RFC 2986).
#pragma once

#include <span>
#include <string>

#include "base/result.h"
#include "crypto/private_key.h"

namespace everseal::crypto {

// A request for `names` in DER: an empty subject, all names in the subject alternative name (RFC
// 8555 §7.4). Errors: invalid (no name, or one that base::parse_domain_name would change).
Result<std::string> make_certificate_request(const PrivateKey& key,
                                             std::span<const std::string> names);

}  // namespace everseal::crypto
