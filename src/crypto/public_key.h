// Public keys of strangers: read, judged, and what they signed verified.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "crypto/private_key.h"

struct evp_md_st;  // OpenSSL's EVP_MD

namespace everseal::crypto {

// A public key of a type that Let's Encrypt takes; immutable, cheap to copy, may be used by several
// threads at once.
class PublicKey {
 public:
  // A JSON Web Key (RFC 7517, RFC 7518 §6); members that are not of a public key's are ignored.
  // Errors: invalid (not a JWK, or one that holds a private key), rejected (a key that no public CA
  // takes: another type, curve or size, an exponent other than 65537, a weak RSA modulus).
  static Result<PublicKey> from_jwk(std::string_view json);

  // DER SubjectPublicKeyInfo. Errors: as above.
  static Result<PublicKey> from_der(std::string_view der);

  KeyType type() const { return type_; }

  // The one JWS algorithm that goes with the key: "ES256", "ES384", "RS256".
  std::string_view jws_algorithm() const;

  // A signature in the form of JWS (RFC 7518 §3) over `bytes`. Errors: rejected (another
  // algorithm, a signature that does not hold).
  Result<> verify(std::string_view algorithm, std::string_view bytes,
                  std::string_view signature) const;

  // For this folder only: whether a signature in the form of X.509 (RFC 3279 §2.2) over `bytes`
  // holds.
  bool made(std::string_view signature, const evp_md_st* digest, std::string_view bytes) const;

  // RFC 7638 §3, base64url.
  const std::string& thumbprint() const { return thumbprint_; }

  // The JWK with only its required members, as PrivateKey::public_jwk() writes it.
  const std::string& jwk() const { return jwk_; }

  // DER SubjectPublicKeyInfo; of an ECDSA key always with the uncompressed point.
  const std::string& der() const { return der_; }

 private:
  PublicKey(std::shared_ptr<evp_pkey_st> key, KeyType type, std::string der, std::string jwk);
  static Result<PublicKey> from_point(KeyType type, std::string_view point);
  static Result<PublicKey> from_native(std::shared_ptr<evp_pkey_st> key);

  std::shared_ptr<evp_pkey_st> key_;
  KeyType type_;
  std::string der_, jwk_, thumbprint_;
};

}  // namespace everseal::crypto
