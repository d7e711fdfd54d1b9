// The client's side of a TLS handshake with whoever is there: trust is the caller's business.
#pragma once

#include <optional>
#include <string>

#include "base/connection.h"
#include "base/result.h"
#include "crypto/certificate.h"
#include "crypto/private_key.h"

namespace everseal::crypto {

// What the client says.
struct TlsGreeting {
  std::string server_name{};       // SNI
  std::optional<KeyFamily> key{};  // understand no signature of another; none: any
  std::string protocol{};  // the one protocol to agree on (RFC 7301); empty: none. Wants TLS 1.2
};

// What the server showed.
struct TlsAnswer {
  Certificate leaf;
  std::string protocol{};  // empty: none was agreed on
};

// Errors: transient (connection, time, the server's alert), not_found (no libssl).
Result<TlsAnswer> tls_handshake(base::Connection& connection, const TlsGreeting& greeting);

}  // namespace everseal::crypto
