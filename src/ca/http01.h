// The HTTP challenge (RFC 8555 §8.3, RFC 8738 §4).
#pragma once

#include "ca/validation_context.h"

namespace everseal::ca {

// Fetches http://NAME/.well-known/acme-challenge/TOKEN as Let's Encrypt does: IPv6 first, IPv4
// where that cannot be connected to; at most 10 redirects (301, 302, 307, 308) to http or https at
// names, on their usual ports (or those that settings put in their place), certificates unseen. The
// body, but for white space at its end, is to be the key authorization. Problems: dns, connection
// (also of redirects that are not followed), tls, unauthorized.
Proven<> prove_http_01(const ValidationContext& context);

}  // namespace everseal::ca
