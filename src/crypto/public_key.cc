#include "crypto/public_key.h"

#include <fmt/format.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include "base/encoding.h"
#include "base/json.h"
#include "crypto/jws.h"
#include "crypto/key_traits.h"
#include "crypto/openssl.h"
#include "crypto/weak_rsa.h"

namespace everseal::crypto {
namespace {

using base::JsonMembers;
using NumberPointer = std::unique_ptr<BIGNUM, Freer<BN_free>>;
using KeyContextPointer = std::unique_ptr<EVP_PKEY_CTX, Freer<EVP_PKEY_CTX_free>>;
using ParametersPointer = std::unique_ptr<OSSL_PARAM, Freer<OSSL_PARAM_free>>;
using BuilderPointer = std::unique_ptr<OSSL_PARAM_BLD, Freer<OSSL_PARAM_BLD_free>>;

constexpr std::size_t kMostDerBytes = 4 << 10;
constexpr std::size_t kMostModulusBytes = 512;
constexpr std::string_view kUncompressed = "\x04";  // SEC 1 §2.3.3

std::shared_ptr<EVP_PKEY> share(EVP_PKEY* key) {
  return std::shared_ptr<EVP_PKEY>(key, EVP_PKEY_free);
}

// Null if OpenSSL refuses it: a point that is not on its curve.
std::shared_ptr<EVP_PKEY> key_from_parameters(const char* algorithm, OSSL_PARAM* parameters) {
  const KeyContextPointer context(EVP_PKEY_CTX_new_from_name(nullptr, algorithm, nullptr));
  EVP_PKEY* key = nullptr;
  if (EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters) != 1) {
    ERR_clear_error();
    return nullptr;
  }
  return share(key);
}

Result<std::string> bytes_of(const JsonMembers& jwk, std::string_view member) {
  auto bytes = base::decode_base64url(TRY(jwk.text(member)));
  if (!bytes || bytes->empty())
    return base::invalid(fmt::format("\"{}\" is not base64url", member));
  return bytes;
}

// RFC 7518 §6.2.1.2: as wide as the field, also where it begins with zeros.
Result<std::string> coordinate(const JsonMembers& jwk, std::string_view member, KeyType type) {
  const std::string bytes = TRY(bytes_of(jwk, member));
  if (bytes.size() == field_bytes(type)) return bytes;
  return base::invalid(fmt::format("\"{}\" has {} bytes, not the {} of the curve", member,
                                   bytes.size(), field_bytes(type)));
}

// RFC 7518 §6.3.1.1: no zeros before the first digit.
Result<NumberPointer> positive(const JsonMembers& jwk, std::string_view member) {
  const std::string bytes = TRY(bytes_of(jwk, member));
  if (bytes.front() == '\0') return base::invalid(fmt::format("\"{}\" begins with zero", member));
  if (bytes.size() > kMostModulusBytes)
    return base::rejected(fmt::format("\"{}\" has more than {} bytes", member, kMostModulusBytes));
  return NumberPointer(BN_bin2bn(to_unsigned(bytes), static_cast<int>(bytes.size()), nullptr));
}

Result<std::string> point_of(const JsonMembers& jwk, KeyType type) {
  const std::string x = TRY(coordinate(jwk, "x", type));
  const std::string y = TRY(coordinate(jwk, "y", type));
  return fmt::format("{}{}{}", kUncompressed, x, y);
}

Result<std::shared_ptr<EVP_PKEY>> rsa_key_of(const JsonMembers& jwk) {
  const auto modulus = TRY(positive(jwk, "n"));
  const auto exponent = TRY(positive(jwk, "e"));
  const BuilderPointer builder(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get());
  const ParametersPointer parameters(OSSL_PARAM_BLD_to_param(builder.get()));
  auto key = key_from_parameters("RSA", parameters.get());
  if (!key) return base::rejected("the RSA key cannot be used");
  return key;
}

Result<KeyType> type_of_curve(std::string_view curve) {
  for (const KeyTraits& each : all_key_traits()) {
    if (each.group && curve == each.jwk_curve) return each.type;
  }
  return base::rejected(
      fmt::format("the key is on curve {}; CAs take P-256 and P-384", base::printable(curve, 40)));
}

Result<KeyType> acceptable_type(EVP_PKEY* key) {
  auto type = type_of(key);
  if (!type) return base::rejected(std::move(type).error().message);
  return type;
}

NumberPointer number_of(EVP_PKEY* key, const char* parameter) {
  BIGNUM* number = nullptr;
  EVP_PKEY_get_bn_param(key, parameter, &number);
  return NumberPointer(number);
}

Result<> check_rsa(EVP_PKEY* key) {
  if (!BN_is_word(number_of(key, OSSL_PKEY_PARAM_RSA_E).get(), RSA_F4))
    return base::rejected("the RSA key's exponent is not 65537");
  const auto weakness = rsa_weakness(number_of(key, OSSL_PKEY_PARAM_RSA_N).get());
  if (!weakness.empty()) return base::rejected(fmt::format("the RSA key is weak: {}", weakness));
  return {};
}

// r||s as DER (RFC 7518 §3.4); empty if it is not as long as the curve makes it.
std::string split_ecdsa(std::string_view signature, std::size_t width) {
  if (signature.size() != 2 * width) return {};
  const auto half = [&](std::size_t at) {
    return BN_bin2bn(to_unsigned(signature) + at, static_cast<int>(width), nullptr);
  };
  const std::unique_ptr<ECDSA_SIG, Freer<ECDSA_SIG_free>> both(ECDSA_SIG_new());
  ECDSA_SIG_set0(both.get(), half(0), half(width));
  return to_der(i2d_ECDSA_SIG, both.get());
}

}  // namespace

PublicKey::PublicKey(std::shared_ptr<evp_pkey_st> key, KeyType type, std::string der,
                     std::string jwk)
    : key_(std::move(key)),
      type_(type),
      der_(std::move(der)),
      jwk_(std::move(jwk)),
      thumbprint_(base::base64url(sha256(jwk_))) {}

// Makes the encodings itself, since OpenSSL takes five times as long for them as for the key.
Result<PublicKey> PublicKey::from_point(KeyType type, std::string_view point) {
  const KeyTraits& wanted = traits(type);
  OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, const_cast<char*>(wanted.group),
                                       0),
      OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, const_cast<char*>(point.data()),
                                        point.size()),
      OSSL_PARAM_construct_end()};
  auto key = key_from_parameters("EC", parameters);
  if (!key) return base::rejected("the key is not a point on its curve");
  const std::size_t width = field_bytes(type);
  std::string jwk = fmt::format(R"({{"crv":"{}","kty":"EC","x":"{}","y":"{}"}})", wanted.jwk_curve,
                                base::base64url(point.substr(1, width)),
                                base::base64url(point.substr(1 + width)));
  return PublicKey(std::move(key), type, std::string(wanted.der_prefix).append(point),
                   std::move(jwk));
}

Result<PublicKey> PublicKey::from_native(std::shared_ptr<evp_pkey_st> key) {
  const KeyType type = TRY(acceptable_type(key.get()));
  if (traits(type).group) use_uncompressed_point(key.get());
  if (!traits(type).group) TRY(check_rsa(key.get()));
  std::string der = to_der(i2d_PUBKEY, key.get());
  std::string jwk = public_jwk(key.get(), type);
  return PublicKey(std::move(key), type, std::move(der), std::move(jwk));
}

Result<PublicKey> PublicKey::from_jwk(std::string_view json) {
  const auto jwk = TRY(base::within("the JWK", JsonMembers::parse(json)));
  if (jwk.has("d")) return base::invalid("the JWK holds a private key");
  const std::string kind = TRY(base::within("the JWK", jwk.text("kty")));
  if (kind == "EC") {
    const KeyType type = TRY(type_of_curve(TRY(base::within("the JWK", jwk.text("crv")))));
    return from_point(type, TRY(base::within("the JWK", point_of(jwk, type))));
  }
  if (kind == "RSA") return from_native(TRY(base::within("the JWK", rsa_key_of(jwk))));
  return base::rejected(
      fmt::format("the key is of type {}; CAs take RSA and EC", base::printable(kind, 40)));
}

Result<PublicKey> PublicKey::from_der(std::string_view der) {
  for (const KeyTraits& each : all_key_traits()) {
    if (!each.group || !der.starts_with(each.der_prefix)) continue;
    const std::string_view point = der.substr(each.der_prefix.size());
    if (point.size() == 1 + 2 * field_bytes(each.type) && point.starts_with(kUncompressed))
      return from_point(each.type, point);
  }
  const unsigned char* data = to_unsigned(der);
  auto key =
      share(der.size() > kMostDerBytes ? nullptr
                                       : d2i_PUBKEY(nullptr, &data, static_cast<long>(der.size())));
  ERR_clear_error();
  if (!key || data != to_unsigned(der) + der.size())
    return base::invalid("not a public key in DER");
  return from_native(std::move(key));
}

std::string_view PublicKey::jws_algorithm() const { return traits(type_).algorithm; }

Result<> PublicKey::verify(std::string_view algorithm, std::string_view bytes,
                           std::string_view signature) const {
  if (algorithm != jws_algorithm()) {
    return base::rejected(fmt::format("the key signs with {}, not with {}", jws_algorithm(),
                                      base::printable(algorithm, 40)));
  }
  const std::string der =
      traits(type_).group ? split_ecdsa(signature, field_bytes(type_)) : std::string(signature);
  if (!made(der, digest(type_), bytes)) return base::rejected("the signature does not hold");
  return {};
}

bool PublicKey::made(std::string_view signature, const evp_md_st* digest,
                     std::string_view bytes) const {
  const DigestContextPointer context(EVP_MD_CTX_new());
  const bool holds =
      EVP_DigestVerifyInit(context.get(), nullptr, digest, nullptr, key_.get()) == 1 &&
      EVP_DigestVerify(context.get(), to_unsigned(signature), signature.size(), to_unsigned(bytes),
                       bytes.size()) == 1;
  ERR_clear_error();
  return holds;
}

}  // namespace everseal::crypto
