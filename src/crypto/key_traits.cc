#include "crypto/key_traits.h"

#include <fmt/format.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>

#include <array>

#include "base/encoding.h"
#include "crypto/der.h"

namespace everseal::crypto {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kP256Prefix =
    "\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01"
    "\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00"sv;
constexpr std::string_view kP384Prefix =
    "\x30\x76\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01"
    "\x06\x05\x2b\x81\x04\x00\x22\x03\x62\x00"sv;

constexpr KeyTraits kTraits[] = {
    {KeyType::ecdsa_p256, "ecdsa-p256", "p256", "prime256v1", "P-256", "ES256", 256, kP256Prefix},
    {KeyType::ecdsa_p384, "ecdsa-p384", "p384", "secp384r1", "P-384", "ES384", 384, kP384Prefix},
    {KeyType::rsa_2048, "rsa-2048", "rsa2048", nullptr, "", "RS256", 2048, ""},
    {KeyType::rsa_3072, "rsa-3072", "rsa3072", nullptr, "", "RS256", 3072, ""},
    {KeyType::rsa_4096, "rsa-4096", "rsa4096", nullptr, "", "RS256", 4096, ""},
};

std::string group_name(EVP_PKEY* key) {
  std::array<char, 64> name{};
  std::size_t size = 0;
  if (EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, name.data(), name.size(),
                                     &size) != 1) {
    return "unnamed curve";
  }
  return {name.data(), size};
}

// Curves given by their numbers instead of their name have hidden forged ones (CVE-2020-0601).
bool has_explicit_parameters(EVP_PKEY* key) {
  int explicit_parameters = 0;
  EVP_PKEY_get_int_param(key, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS,
                         &explicit_parameters);
  return explicit_parameters != 0;
}

Result<KeyType> type_of_ec(EVP_PKEY* key) {
  if (has_explicit_parameters(key)) {
    return base::invalid("the key has explicit curve parameters; use P-256 or P-384 by name");
  }
  const std::string group = group_name(key);
  for (const KeyTraits& each : kTraits) {
    if (each.group && group == each.group) return each.type;
  }
  return base::invalid(
      fmt::format("the key is on curve {}; CAs take P-256 and P-384", base::printable(group)));
}

Result<KeyType> type_of_rsa(EVP_PKEY* key) {
  const int bits = EVP_PKEY_get_bits(key);
  for (const KeyTraits& each : kTraits) {
    if (!each.group && bits == each.bits) return each.type;
  }
  return base::invalid(fmt::format("the RSA key has {} bits; CAs take 2048, 3072 and 4096", bits));
}

// Big-endian, `size_bytes` wide or as few bytes as it takes.
std::string number(EVP_PKEY* key, const char* parameter, std::size_t size_bytes = 0) {
  BIGNUM* value = nullptr;
  EVP_PKEY_get_bn_param(key, parameter, &value);
  if (size_bytes == 0) size_bytes = static_cast<std::size_t>(BN_num_bytes(value));
  std::string bytes(size_bytes, '\0');
  BN_bn2binpad(value, reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(size_bytes));
  BN_free(value);
  return bytes;
}

}  // namespace

std::span<const KeyTraits> all_key_traits() { return kTraits; }

const KeyTraits& traits(KeyType type) { return kTraits[static_cast<std::size_t>(type)]; }

std::size_t field_bytes(KeyType type) { return static_cast<std::size_t>(traits(type).bits) / 8; }

const EVP_MD* digest(KeyType type) {
  return type == KeyType::ecdsa_p384 ? EVP_sha384() : EVP_sha256();
}

Result<KeyType> type_of(EVP_PKEY* key) {
  switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_EC:
      return type_of_ec(key);
    case EVP_PKEY_RSA:
      return type_of_rsa(key);
    default:
      return base::invalid("the key is neither RSA nor ECDSA");
  }
}

std::string signature_algorithm(KeyType type) {
  if (!traits(type).group)
    return der::sequence(der::object_identifier("1.2.840.113549.1.1.11") + der::null());
  const bool p384 = type == KeyType::ecdsa_p384;
  return der::sequence(
      der::object_identifier(p384 ? "1.2.840.10045.4.3.3" : "1.2.840.10045.4.3.2"));
}

void use_uncompressed_point(EVP_PKEY* key) {
  EVP_PKEY_set_utf8_string_param(key, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT,
                                 OSSL_PKEY_EC_POINT_CONVERSION_FORMAT_UNCOMPRESSED);
}

std::string public_jwk(EVP_PKEY* key, KeyType type) {
  auto member = [&](const char* parameter, std::size_t size_bytes = 0) {
    return base::base64url(number(key, parameter, size_bytes));
  };
  if (!traits(type).group) {
    return fmt::format(R"({{"e":"{}","kty":"RSA","n":"{}"}})", member(OSSL_PKEY_PARAM_RSA_E),
                       member(OSSL_PKEY_PARAM_RSA_N));
  }
  const std::size_t width = field_bytes(type);
  return fmt::format(R"({{"crv":"{}","kty":"EC","x":"{}","y":"{}"}})", traits(type).jwk_curve,
                     member(OSSL_PKEY_PARAM_EC_PUB_X, width),
                     member(OSSL_PKEY_PARAM_EC_PUB_Y, width));
}

}  // namespace everseal::crypto
