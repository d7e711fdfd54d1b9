// JSON Web Signatures as an ACME server receives them (RFC 7515, RFC 8555 §6.2).
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "crypto/public_key.h"

namespace everseal::crypto {

// A signed request as it arrived, in the flattened JSON serialization and read as strictly as RFC
// 8555 §6.2 asks. Nothing of it is to be believed before verify().
struct ReceivedJws {
  std::string algorithm{};  // "ES256", "ES384" or "RS256"
  std::string jwk{};  // JSON; empty if the key is named by `kid`: exactly one of the two is there
  std::string kid{};
  std::string nonce{};  // base64url; empty if there is none
  std::string url{};
  std::string payload{};      // decoded
  std::string signed_text{};  // "PROTECTED.PAYLOAD", both still encoded
  std::string signature{};

  // Whether `key` signed it. Errors: rejected (PublicKey::verify()).
  Result<> verify(const PublicKey& key) const;
};

// Errors: invalid (the problem "malformed": more than 64 KiB, not the flattened JSON of one
// signature, unprotected members, neither or both of "jwk" and "kid", a member that is missing or
// of the wrong form, a critical or unencoded-payload header), rejected ("badSignatureAlgorithm").
Result<ReceivedJws> parse_jws(std::string_view body);

// An "externalAccountBinding" as it arrived (RFC 8555 §7.3.4).
struct ReceivedBinding {
  std::string algorithm{};  // "HS256", "HS384" or "HS512"
  std::string kid{};
  std::string url{};
  std::string payload{};  // decoded: the account's key, as JSON
  std::string signed_text{};
  std::string mac{};

  // Whether who holds `mac_key` (bytes) has bound `account_key` at this `url`, that of the request
  // around it. Errors: rejected.
  Result<> verify(std::string_view mac_key, const PublicKey& account_key,
                  std::string_view expected_url) const;
};

// Errors: invalid ("malformed": as above, or a nonce), rejected ("badSignatureAlgorithm").
Result<ReceivedBinding> parse_external_account_binding(std::string_view json);

}  // namespace everseal::crypto
