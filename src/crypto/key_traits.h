// What private and public keys share: the types that CAs take, and how each is written. Not for
// other folders.
#pragma once

#include <openssl/evp.h>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "crypto/private_key.h"

namespace everseal::crypto {

// All that differs between the types.
struct KeyTraits {
  KeyType type;
  std::string_view name, short_name;
  const char* group;  // OpenSSL's name of the curve; nullptr for RSA
  std::string_view jwk_curve;
  std::string_view algorithm;  // of JWS
  int bits;
  // What comes before the uncompressed point in a DER SubjectPublicKeyInfo (RFC 5480 §2).
  std::string_view der_prefix;
};

std::span<const KeyTraits> all_key_traits();
const KeyTraits& traits(KeyType type);

// Of a coordinate or of half a signature, in bytes.
std::size_t field_bytes(KeyType type);

const EVP_MD* digest(KeyType type);

// The DER AlgorithmIdentifier of that digest with the key (RFC 5758 §3.2, RFC 8017 appendix A.2.4).
std::string signature_algorithm(KeyType type);

// Errors: invalid (another algorithm, another curve or explicit curve parameters, another RSA
// size).
Result<KeyType> type_of(EVP_PKEY* key);

// Keys that are read and keys that are made have the same encoding, so that they can be compared.
void use_uncompressed_point(EVP_PKEY* key);

// The public half as a JSON Web Key with only the required members in lexicographic order: the
// input of its thumbprint (RFC 7638 §3.2).
std::string public_jwk(EVP_PKEY* key, KeyType type);

}  // namespace everseal::crypto
