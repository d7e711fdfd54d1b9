// The DNS challenge (RFC 8555 §8.4).
#pragma once

#include "ca/validation_context.h"

namespace everseal::ca {

// One of the TXT records of _acme-challenge.NAME is to be the digest of the key authorization.
// Problems: dns, unauthorized.
Proven<> prove_dns_01(const ValidationContext& context);

}  // namespace everseal::ca
