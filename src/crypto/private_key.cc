#include "crypto/private_key.h"

#include <fmt/format.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <unistd.h>

#include <iterator>

#include "base/encoding.h"
#include "base/memory.h"
#include "crypto/key_file.h"
#include "crypto/key_traits.h"
#include "crypto/openssl.h"

namespace everseal::crypto {
namespace {

// No terminal prompt for the password of an encrypted key.
int no_password(char*, int, int, void*) { return -1; }

// Null without memory for it.
BioPointer secure_pem(EVP_PKEY* key) {
  BioPointer bio(BIO_new(BIO_s_secmem()));
  if (!bio ||
      PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1)
    return nullptr;
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
  for (const KeyTraits& each : all_key_traits()) {
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
  const KeyTraits& wanted = traits(type);
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

std::string PrivateKey::to_pem() const {
  const BioPointer bio = secure_pem(key_.get());
  if (!bio) base::insist_on_memory();
  return written(bio);
}

Result<PrivateKey> PrivateKey::read(const base::FileDescriptor& file, std::string_view attempt) {
  KeyFile bytes(kMostPemBytes + 1);
  return base::within(attempt, from_pem(TRY(bytes.read(file, attempt))));
}

Result<> PrivateKey::write(const base::FileDescriptor& file, std::string_view attempt) const {
  const BioPointer bio = secure_pem(key_.get());
  if (!bio) return openssl_error(attempt);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return base::write_all(file, {data, static_cast<std::size_t>(size)}, attempt);
}

Result<std::string> PrivateKey::sign_der(std::string_view bytes) const {
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
  return signature;
}

Result<std::string> PrivateKey::sign(std::string_view bytes) const {
  std::string signature = TRY(sign_der(bytes));
  if (!traits(type_).group) return signature;
  return join_ecdsa(signature, field_bytes(type_));
}

std::string_view PrivateKey::jws_algorithm() const { return traits(type_).algorithm; }

std::string PrivateKey::public_jwk() const { return crypto::public_jwk(key_.get(), type_); }

// By hand where it is easy, since OpenSSL looks for an encoder first, which takes longer than a
// signature.
std::string PrivateKey::public_key_der() const {
  if (!traits(type_).group) return to_der(i2d_PUBKEY, key_.get());
  std::string point(1 + 2 * field_bytes(type_), '\0');
  EVP_PKEY_get_octet_string_param(key_.get(), OSSL_PKEY_PARAM_PUB_KEY,
                                  reinterpret_cast<unsigned char*>(point.data()), point.size(),
                                  nullptr);
  return std::string(traits(type_).der_prefix).append(point);
}

}  // namespace everseal::crypto
