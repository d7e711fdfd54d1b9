#include "crypto/private_key.h"

#include <fmt/format.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <iterator>

#include "base/encoding.h"
#include "crypto/openssl.h"

namespace everseal::crypto {
namespace {

constexpr std::size_t kMostPemBytes = 16 << 10;

// All that differs between the types.
struct Traits {
  KeyType type;
  std::string_view name, short_name;
  const char* group;  // OpenSSL's name of the curve; nullptr for RSA
  std::string_view jwk_curve;
  std::string_view algorithm;
  int bits;
};

constexpr Traits kTraits[] = {
    {KeyType::ecdsa_p256, "ecdsa-p256", "p256", "prime256v1", "P-256", "ES256", 256},
    {KeyType::ecdsa_p384, "ecdsa-p384", "p384", "secp384r1", "P-384", "ES384", 384},
    {KeyType::rsa_2048, "rsa-2048", "rsa2048", nullptr, "", "RS256", 2048},
    {KeyType::rsa_3072, "rsa-3072", "rsa3072", nullptr, "", "RS256", 3072},
    {KeyType::rsa_4096, "rsa-4096", "rsa4096", nullptr, "", "RS256", 4096},
};

const Traits& traits(KeyType type) { return kTraits[static_cast<std::size_t>(type)]; }

std::size_t field_bytes(KeyType type) { return static_cast<std::size_t>(traits(type).bits) / 8; }

const EVP_MD* digest(KeyType type) {
  return type == KeyType::ecdsa_p384 ? EVP_sha384() : EVP_sha256();
}

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
  for (const Traits& each : kTraits) {
    if (each.group && group == each.group) return each.type;
  }
  return base::invalid(
      fmt::format("the key is on curve {}; CAs take P-256 and P-384", base::printable(group)));
}

Result<KeyType> type_of_rsa(EVP_PKEY* key) {
  const int bits = EVP_PKEY_get_bits(key);
  for (const Traits& each : kTraits) {
    if (!each.group && bits == each.bits) return each.type;
  }
  return base::invalid(fmt::format("the RSA key has {} bits; CAs take 2048, 3072 and 4096", bits));
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

// Keys that are read and keys that are made have the same encoding, so that they can be compared.
void use_uncompressed_point(EVP_PKEY* key) {
  EVP_PKEY_set_utf8_string_param(key, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT,
                                 OSSL_PKEY_EC_POINT_CONVERSION_FORMAT_UNCOMPRESSED);
}

// No terminal prompt for the password of an encrypted key.
int no_password(char*, int, int, void*) { return -1; }

std::string number(EVP_PKEY* key, const char* parameter, std::size_t size_bytes = 0) {
  BIGNUM* value = nullptr;
  EVP_PKEY_get_bn_param(key, parameter, &value);
  if (size_bytes == 0) size_bytes = static_cast<std::size_t>(BN_num_bytes(value));
  std::string bytes(size_bytes, '\0');
  BN_bn2binpad(value, reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(size_bytes));
  BN_free(value);
  return bytes;
}

BioPointer secure_pem(EVP_PKEY* key) {
  BioPointer bio(BIO_new(BIO_s_secmem()));
  PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
  return bio;
}

// DER SEQUENCE { r, s } as r||s, each as wide as the field (RFC 7518 §3.4).
Result<std::string> join_ecdsa(std::string_view der, std::size_t width) {
  const unsigned char* data = to_unsigned(der);
  std::unique_ptr<ECDSA_SIG, Freer<ECDSA_SIG_free>> signature(
      d2i_ECDSA_SIG(nullptr, &data, static_cast<long>(der.size())));
  if (!signature) return openssl_error("read our own signature");
  std::string joined(2 * width, '\0');
  auto* out = reinterpret_cast<unsigned char*>(joined.data());
  BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), out, static_cast<int>(width));
  BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), out + width, static_cast<int>(width));
  return joined;
}

}  // namespace

KeyFamily family_of(KeyType type) {
  return type == KeyType::ecdsa_p256 || type == KeyType::ecdsa_p384 ? KeyFamily::ecdsa
                                                                    : KeyFamily::rsa;
}

std::string_view to_string(KeyFamily family) {
  return family == KeyFamily::ecdsa ? "ecdsa" : "rsa";
}

std::string_view to_string(KeyType type) { return traits(type).name; }

Result<KeyType> parse_key_type(std::string_view text) {
  for (const Traits& each : kTraits) {
    if (text == each.name || text == each.short_name) return each.type;
  }
  return base::invalid(
      fmt::format("unknown key type \"{}\"; known are ecdsa-p256, ecdsa-p384, rsa-2048, rsa-3072, "
                  "rsa-4096",
                  base::printable(text, 40)));
}

// 1: locked in memory; 2: the heap stands but could not be locked.
Result<> use_secure_heap(std::size_t bytes) {
  switch (CRYPTO_secure_malloc_init(bytes, 32)) {
    case 1:
      return {};
    case 2:
      return base::internal(
          fmt::format("keep {} KiB of memory from being swapped: raise the limit on locked memory "
                      "(ulimit -l)",
                      bytes >> 10));
    default:
      return base::internal(fmt::format("reserve {} KiB of memory for keys", bytes >> 10));
  }
}

void PrivateKey::Free::operator()(evp_pkey_st* key) const { EVP_PKEY_free(key); }

Result<PrivateKey> PrivateKey::generate(KeyType type) {
  const Traits& wanted = traits(type);
  EVP_PKEY* key =
      wanted.group ? EVP_EC_gen(wanted.group) : EVP_RSA_gen(static_cast<unsigned int>(wanted.bits));
  if (!key) return openssl_error(fmt::format("generate an {} key", wanted.name));
  return PrivateKey(std::unique_ptr<evp_pkey_st, Free>(key), type);
}

Result<PrivateKey> PrivateKey::from_pem(std::string_view pem) {
  if (pem.size() > kMostPemBytes) return base::invalid("the key file is larger than 16 KiB");
  BioPointer bio = reader(pem);
  std::unique_ptr<evp_pkey_st, Free> key(
      PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr));
  ERR_clear_error();
  if (!key) return base::invalid("not an unencrypted private key in PEM");
  const KeyType type = TRY(type_of(key.get()));
  if (traits(type).group) use_uncompressed_point(key.get());
  return PrivateKey(std::move(key), type);
}

std::string PrivateKey::to_pem() const { return written(secure_pem(key_.get())); }

Result<PrivateKey> PrivateKey::read(const base::FileDescriptor& file, std::string_view attempt) {
  std::array<char, kMostPemBytes + 1> buffer;
  std::size_t size = 0;
  ssize_t got = 0;
  while (size < buffer.size() &&
         (got = ::read(file.get(), buffer.data() + size, buffer.size() - size)) > 0)
    size += static_cast<std::size_t>(got);
  auto key = got < 0 ? base::system_error(attempt, errno)
                     : base::within(attempt, from_pem({buffer.data(), size}));
  OPENSSL_cleanse(buffer.data(), buffer.size());
  return key;
}

Result<> PrivateKey::write(const base::FileDescriptor& file, std::string_view attempt) const {
  const BioPointer bio = secure_pem(key_.get());
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return base::write_all(file, {data, static_cast<std::size_t>(size)}, attempt);
}

Result<std::string> PrivateKey::sign(std::string_view bytes) const {
  DigestContextPointer context(EVP_MD_CTX_new());
  std::size_t size = 0;
  if (EVP_DigestSignInit(context.get(), nullptr, digest(type_), nullptr, key_.get()) != 1 ||
      EVP_DigestSign(context.get(), nullptr, &size, to_unsigned(bytes), bytes.size()) != 1) {
    return openssl_error("prepare a signature");
  }
  std::string signature(size, '\0');
  if (EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                     to_unsigned(bytes), bytes.size()) != 1) {
    return openssl_error("sign");
  }
  signature.resize(size);
  if (!traits(type_).group) return signature;
  return join_ecdsa(signature, field_bytes(type_));
}

std::string_view PrivateKey::jws_algorithm() const { return traits(type_).algorithm; }

std::string PrivateKey::public_jwk() const {
  auto member = [&](const char* parameter, std::size_t size_bytes = 0) {
    return base::base64url(number(key_.get(), parameter, size_bytes));
  };
  if (!traits(type_).group) {
    return fmt::format(R"({{"e":"{}","kty":"RSA","n":"{}"}})", member(OSSL_PKEY_PARAM_RSA_E),
                       member(OSSL_PKEY_PARAM_RSA_N));
  }
  const std::size_t width = field_bytes(type_);
  return fmt::format(R"({{"crv":"{}","kty":"EC","x":"{}","y":"{}"}})", traits(type_).jwk_curve,
                     member(OSSL_PKEY_PARAM_EC_PUB_X, width),
                     member(OSSL_PKEY_PARAM_EC_PUB_Y, width));
}

std::string PrivateKey::public_key_der() const { return to_der(i2d_PUBKEY, key_.get()); }

}  // namespace everseal::crypto
