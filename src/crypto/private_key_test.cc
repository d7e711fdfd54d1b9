#include "crypto/private_key.h"

#include <gmock/gmock.h>
#include <openssl/core_names.h>
#include <openssl/pem.h>

#include "base/encoding.h"
#include "crypto/jws.h"
#include "crypto/openssl.h"

namespace everseal::crypto {
namespace {

using testing::HasSubstr;

std::string pem_of(EVP_PKEY* key) {
  BioPointer bio = writer();
  PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
  return written(bio);
}

std::string error_of(const std::string& pem) {
  auto key = PrivateKey::from_pem(pem);
  return key ? "accepted" : key.error().message;
}

TEST(KeyType, HasLongAndShortNames) {
  EXPECT_EQ(*parse_key_type("p256"), KeyType::ecdsa_p256);
  EXPECT_EQ(*parse_key_type("rsa-3072"), KeyType::rsa_3072);
  EXPECT_EQ(to_string(KeyType::rsa_4096), "rsa-4096");
  EXPECT_EQ(parse_key_type("dsa").error().message,
            "unknown key type \"dsa\"; known are ecdsa-p256, ecdsa-p384, rsa-2048, rsa-3072, "
            "rsa-4096");
}

TEST(PrivateKey, SurvivesPem) {
  for (KeyType type : {KeyType::ecdsa_p256, KeyType::ecdsa_p384, KeyType::rsa_2048}) {
    const PrivateKey key = *PrivateKey::generate(type);
    const auto again = PrivateKey::from_pem(key.to_pem());
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(again->type(), type);
    EXPECT_EQ(again->public_key_der(), key.public_key_der());
    EXPECT_THAT(key.to_pem(), HasSubstr("-----BEGIN PRIVATE KEY-----"));
  }
}

TEST(PrivateKey, SignsInTheFormOfJws) {
  EXPECT_EQ(PrivateKey::generate(KeyType::ecdsa_p256)->sign("x")->size(), 64u);
  EXPECT_EQ(PrivateKey::generate(KeyType::ecdsa_p384)->sign("x")->size(), 96u);
  EXPECT_EQ(PrivateKey::generate(KeyType::rsa_2048)->sign("x")->size(), 256u);
}

TEST(PrivateKey, RefusesWhatIsNotAKey) {
  EXPECT_EQ(error_of("nonsense"), "not an unencrypted private key in PEM");
  EXPECT_EQ(error_of(std::string(20 << 10, 'x')), "the key file is larger than 16 KiB");
}

TEST(PrivateKey, FaultS7_WeirdKeysAreRefused) {
  KeyPointer curve(EVP_EC_gen("secp521r1")), small(EVP_RSA_gen(1024u)),
      edwards(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  EXPECT_EQ(error_of(pem_of(curve.get())),
            "the key is on curve secp521r1; CAs take P-256 and P-384");
  EXPECT_EQ(error_of(pem_of(small.get())),
            "the RSA key has 1024 bits; CAs take 2048, 3072 and 4096");
  EXPECT_EQ(error_of(pem_of(edwards.get())), "the key is neither RSA nor ECDSA");
}

TEST(PrivateKey, FaultS7_ExplicitCurveParametersAreRefused) {
  KeyPointer key(EVP_EC_gen("prime256v1"));
  EVP_PKEY_set_utf8_string_param(key.get(), OSSL_PKEY_PARAM_EC_ENCODING, "explicit");
  EXPECT_EQ(error_of(pem_of(key.get())),
            "the key has explicit curve parameters; use P-256 or P-384 by name");
}

// RFC 7638 §3.1: "kty", "n" and "e" in order, nothing else.
TEST(PrivateKey, WritesTheJwkOfAThumbprint) {
  const PrivateKey rsa = *PrivateKey::generate(KeyType::rsa_2048);
  EXPECT_TRUE(rsa.public_jwk().starts_with(R"({"e":"AQAB","kty":"RSA","n":")"));
  const PrivateKey ec = *PrivateKey::generate(KeyType::ecdsa_p256);
  EXPECT_TRUE(ec.public_jwk().starts_with(R"({"crv":"P-256","kty":"EC","x":")"));
  EXPECT_EQ(thumbprint(ec), base::base64url(sha256(ec.public_jwk())));
}

TEST(Jws, CarriesUrlNonceAndKey) {
  const PrivateKey key = *PrivateKey::generate(KeyType::ecdsa_p256);
  const std::string jws =
      *sign_jws(key, {.url = "https://ca/order", .nonce = "abc", .kid = "https://ca/a/1"}, "{}");
  const std::string head = base::base64url(
      R"({"alg":"ES256","kid":"https://ca/a/1","nonce":"abc","url":"https://ca/order"})");
  EXPECT_TRUE(jws.starts_with(R"({"protected":")" + head + R"(","payload":"e30","signature":")"))
      << jws;
}

TEST(Jws, RefusesToCarryInjections) {
  const PrivateKey key = *PrivateKey::generate(KeyType::ecdsa_p256);
  EXPECT_EQ(sign_jws(key, {.url = "https://ca/\"", .nonce = "", .kid = ""}, "").error().message,
            "the URL cannot go into a signed header: https://ca/\"");
}

TEST(Jws, FaultA20_TheMacKeyIsNotQuoted) {
  const PrivateKey key = *PrivateKey::generate(KeyType::ecdsa_p256);
  EXPECT_EQ(bind_external_account(key, "https://ca/new", {.kid = "k", .mac_key = "se+cret"})
                .error()
                .message,
            "the external account's MAC key is not base64url");
  EXPECT_TRUE(bind_external_account(key, "https://ca/new", {.kid = "k", .mac_key = "c2VjcmV0"}));
}

}  // namespace
}  // namespace everseal::crypto
