// JSON Web Signatures as ACME uses them (RFC 7515, RFC 8555 §6.2).
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "crypto/private_key.h"

namespace everseal::crypto {

// What ACME asks for in the protected header. An empty `kid` embeds the public key ("jwk"), as
// newAccount wants; an empty `nonce` leaves it out.
struct JwsHeader {
  std::string url{};
  std::string nonce{};
  std::string kid{};
};

// The flattened JSON serialization of `payload` signed by `key`. An empty payload is a POST-as-GET.
// Errors: invalid (a header value with anything but printable ASCII, or with a quote or backslash).
Result<std::string> sign_jws(const PrivateKey& key, const JwsHeader& header,
                             std::string_view payload);

// What a CA hands out to tie a new account to one that the person already has there.
struct ExternalAccount {
  std::string kid{};
  std::string mac_key{};  // base64url, as CAs print it
};

// The "externalAccountBinding" of RFC 8555 §7.3.4 for `key` and the newAccount `url`: a JWS under
// HS256. Errors: invalid (the MAC key is not base64url; the error does not quote it).
Result<std::string> bind_external_account(const PrivateKey& key, std::string_view url,
                                          const ExternalAccount& account);

// RFC 7638 §3, base64url.
std::string thumbprint(const PrivateKey& key);

// 32 bytes.
std::string sha256(std::string_view bytes);

}  // namespace everseal::crypto
