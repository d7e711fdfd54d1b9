// Private keys: made, read, written, and the signatures that ACME asks of them.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/file_descriptor.h"
#include "base/result.h"

struct evp_pkey_st;  // OpenSSL's EVP_PKEY

namespace everseal::crypto {

// The keys that public CAs certify.
enum class KeyType { ecdsa_p256, ecdsa_p384, rsa_2048, rsa_3072, rsa_4096 };

// What a server has at most one certificate of, for each name.
enum class KeyFamily { ecdsa, rsa };
KeyFamily family_of(KeyType type);
// "ecdsa", "rsa".
std::string_view to_string(KeyFamily family);

// "ecdsa-p256", "rsa-2048", …
std::string_view to_string(KeyType type);

// Reads to_string's form and the short ones: "p256", "rsa2048". Errors: invalid.
Result<KeyType> parse_key_type(std::string_view text);

// Makes private keys live in memory that is never swapped, never dumped, and wiped when it is freed
// (OPENSSL_secure_malloc(3)); `bytes` is a power of two. Call it before the first key. Errors:
// internal (no memory, or the limit on locked memory is smaller).
Result<> use_secure_heap(std::size_t bytes);

// A private key of one of the types above; move-only, its memory is wiped when it goes.
class PrivateKey {
 public:
  // Errors: internal (no randomness, no memory).
  static Result<PrivateKey> generate(KeyType type);

  // Reads one unencrypted PEM key: PKCS#8, or the older RSA and EC forms. Errors: invalid (not a
  // key, more than 16 KiB, another algorithm, another curve or explicit curve parameters, another
  // RSA size).
  static Result<PrivateKey> from_pem(std::string_view pem);

  // Unencrypted PKCS#8 in PEM, in ordinary memory: for whoever need not hide it.
  std::string to_pem() const;

  // from_pem() and to_pem() with a file instead of ordinary memory; `attempt` is named in errors.
  static Result<PrivateKey> read(const base::FileDescriptor& file, std::string_view attempt);
  Result<> write(const base::FileDescriptor& file, std::string_view attempt) const;

  KeyType type() const { return type_; }

  // The signature as JWS wants it (RFC 7518 §3): r||s for ES256 and ES384, PKCS #1 v1.5 for RS256.
  Result<std::string> sign(std::string_view bytes) const;

  // The same signature as X.509 wants it (RFC 3279 §2.2): ECDSA's as DER.
  Result<std::string> sign_der(std::string_view bytes) const;

  // The JWS name of that signature: "ES256", "ES384", "RS256".
  std::string_view jws_algorithm() const;

  // The public half as a JSON Web Key with only the required members in lexicographic order: the
  // input of its thumbprint (RFC 7638 §3.2).
  std::string public_jwk() const;

  // The public half as DER SubjectPublicKeyInfo.
  std::string public_key_der() const;

  // For this folder only. Valid as long as the key is.
  evp_pkey_st* native() const { return key_.get(); }

 private:
  struct Free {
    void operator()(evp_pkey_st* key) const;
  };
  PrivateKey(std::unique_ptr<evp_pkey_st, Free> key, KeyType type)
      : key_(std::move(key)), type_(type) {}

  std::unique_ptr<evp_pkey_st, Free> key_;
  KeyType type_;
};

}  // namespace everseal::crypto
