// The TLS challenge (RFC 8737, RFC 8738 §6).
#pragma once

#include "ca/validation_context.h"
#include "crypto/certificate.h"

namespace everseal::ca {

// A handshake under the protocol acme-tls/1 that shows a certificate made for this alone. IPv6 and
// IPv4 as with http-01. Problems: dns, connection, tls, unauthorized.
Proven<> prove_tls_alpn_01(const ValidationContext& context);

// The server name that asks for `name`: itself, or of an address the name of its reverse mapping
// (RFC 8738 §6).
std::string server_name_for(const std::string& name);

// What is wrong with a challenge certificate (RFC 8737 §3): self-signed, one name and no other, the
// digest of the key authorization in a critical extension. Empty: nothing.
std::string fault_of(const crypto::Certificate& certificate, const Validation& validation);

}  // namespace everseal::ca
