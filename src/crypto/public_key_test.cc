#include "crypto/public_key.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/rsa.h>

#include "base/encoding.h"
#include "crypto/jws.h"
#include "crypto/openssl.h"

namespace everseal::crypto {
namespace {

using NumberPointer = std::unique_ptr<BIGNUM, Freer<BN_free>>;
using NumberContextPointer = std::unique_ptr<BN_CTX, Freer<BN_CTX_free>>;

// "KIND: MESSAGE", or "accepted".
std::string verdict(const Result<PublicKey>& key) {
  if (key) return "accepted";
  return fmt::format("{}: {}", base::to_string(key.error().kind), key.error().message);
}

std::string encoded(const BIGNUM* number) {
  std::string bytes(static_cast<std::size_t>(BN_num_bytes(number)), '\0');
  BN_bn2bin(number, reinterpret_cast<unsigned char*>(bytes.data()));
  return base::base64url(bytes);
}

std::string rsa_jwk(const BIGNUM* modulus, std::string_view exponent = "AQAB") {
  return fmt::format(R"({{"kty":"RSA","n":"{}","e":"{}"}})", encoded(modulus), exponent);
}

NumberPointer product(const BIGNUM* a, const BIGNUM* b) {
  const NumberContextPointer context(BN_CTX_new());
  NumberPointer result(BN_new());
  BN_mul(result.get(), a, b, context.get());
  return result;
}

// A prime of 1024 bits of which the two highest are set.
NumberPointer large_prime() {
  NumberPointer prime(BN_new());
  BN_generate_prime_ex(prime.get(), 1024, 0, nullptr, nullptr, nullptr);
  return prime;
}

NumberPointer next_prime(const BIGNUM* after) {
  const NumberContextPointer context(BN_CTX_new());
  NumberPointer prime(BN_dup(after));
  do BN_add_word(prime.get(), 2);
  while (BN_check_prime(prime.get(), context.get(), nullptr) != 1);
  return prime;
}

constexpr std::string_view kRfc7638Key =
    R"({"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFF)"
    R"(xuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-)"
    R"(65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bF)"
    R"(TWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"A)"
    R"(QAB","alg":"RS256","kid":"2011-04-29"})";

constexpr std::string_view kRfc7515Key =
    R"({"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",)"
    R"("y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})";

TEST(PublicKey, HasTheThumbprintOfRfc7638) {
  EXPECT_EQ(PublicKey::from_jwk(kRfc7638Key)->thumbprint(),
            "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
}

TEST(PublicKey, VerifiesTheExampleOfRfc7515) {
  const auto key = *PublicKey::from_jwk(kRfc7515Key);
  const std::string_view text =
      "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmN"
      "vbS9pc19yb290Ijp0cnVlfQ";
  const std::string signature = *base::decode_base64url(
      "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q");
  EXPECT_TRUE(key.verify("ES256", text, signature));
  EXPECT_EQ(key.verify("ES256", "another text", signature).error().message,
            "the signature does not hold");
  EXPECT_EQ(key.verify("ES256", text, "").error().message, "the signature does not hold");
  EXPECT_EQ(key.verify("RS256", text, signature).error().message,
            "the key signs with ES256, not with RS256");
}

TEST(PublicKey, IsThePublicHalfInEveryForm) {
  for (KeyType type : {KeyType::ecdsa_p256, KeyType::ecdsa_p384, KeyType::rsa_2048}) {
    const PrivateKey key = *PrivateKey::generate(type);
    for (const auto& half :
         {*PublicKey::from_jwk(key.public_jwk()), *PublicKey::from_der(key.public_key_der())}) {
      EXPECT_EQ(half.type(), type);
      EXPECT_EQ(half.der(), key.public_key_der());
      EXPECT_EQ(half.jwk(), key.public_jwk());
      EXPECT_EQ(half.thumbprint(), thumbprint(key));
      EXPECT_TRUE(half.verify(key.jws_algorithm(), "text", *key.sign("text")));
      EXPECT_FALSE(half.verify(key.jws_algorithm(), "texts", *key.sign("text")));
    }
  }
}

TEST(PublicKey, ReadsACompressedPoint) {
  const PrivateKey key = *PrivateKey::generate(KeyType::ecdsa_p256);
  EVP_PKEY_set_utf8_string_param(key.native(), OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT,
                                 OSSL_PKEY_EC_POINT_CONVERSION_FORMAT_COMPRESSED);
  const std::string compressed = to_der(i2d_PUBKEY, key.native());
  EXPECT_EQ(compressed.size(), 59u);
  EXPECT_EQ(PublicKey::from_der(compressed)->thumbprint(), thumbprint(key));
  EXPECT_EQ(PublicKey::from_der(compressed)->der().size(), 91u);
}

TEST(PublicKey, RefusesJwksThatAreNone) {
  const auto of = [](std::string_view json) { return verdict(PublicKey::from_jwk(json)); };
  EXPECT_EQ(of("[]"), "invalid: the JWK: not a JSON object");
  EXPECT_EQ(of("{}"), "invalid: the JWK: no \"kty\"");
  EXPECT_EQ(of(R"({"kty":"EC"})"), "invalid: the JWK: no \"crv\"");
  EXPECT_EQ(of(R"({"kty":"EC","crv":"P-256","x":"AA"})"),
            "invalid: the JWK: \"x\" has 1 bytes, not the 32 of the curve");
  EXPECT_EQ(of(R"({"kty":"EC","crv":"P-256","x":"A="})"),
            "invalid: the JWK: \"x\" is not base64url");
  EXPECT_EQ(of(R"({"kty":"RSA","n":"AAEB","e":"AQAB"})"),
            "invalid: the JWK: \"n\" begins with zero");
  EXPECT_EQ(of(R"({"kty":"EC","d":"AQ"})"), "invalid: the JWK holds a private key");
}

TEST(PublicKey, RefusesKeysThatNoPublicCaTakes) {
  const auto of = [](std::string_view json) { return verdict(PublicKey::from_jwk(json)); };
  EXPECT_EQ(of(R"({"kty":"OKP","crv":"Ed25519"})"),
            "rejected: the key is of type OKP; CAs take RSA and EC");
  EXPECT_EQ(of(R"({"kty":"EC","crv":"P-521"})"),
            "rejected: the key is on curve P-521; CAs take P-256 and P-384");
  std::string off_curve(kRfc7515Key);
  off_curve.replace(off_curve.find("x_FEz"), 5, "y_FEz");
  EXPECT_EQ(of(off_curve), "rejected: the key is not a point on its curve");
  const KeyPointer small(EVP_RSA_gen(1024u)),
      edwards(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  EXPECT_EQ(verdict(PublicKey::from_der(to_der(i2d_PUBKEY, small.get()))),
            "rejected: the RSA key has 1024 bits; CAs take 2048, 3072 and 4096");
  EXPECT_EQ(verdict(PublicKey::from_der(to_der(i2d_PUBKEY, edwards.get()))),
            "rejected: the key is neither RSA nor ECDSA");
}

TEST(PublicKey, RefusesBytesAfterTheKey) {
  for (KeyType type : {KeyType::ecdsa_p256, KeyType::rsa_2048}) {
    const std::string der = PrivateKey::generate(type)->public_key_der();
    EXPECT_EQ(verdict(PublicKey::from_der(der + "x")), "invalid: not a public key in DER");
    EXPECT_EQ(verdict(PublicKey::from_der(der.substr(0, der.size() - 1))),
              "invalid: not a public key in DER");
  }
}

TEST(PublicKey, RefusesAnotherExponent) {
  const NumberPointer modulus = product(large_prime().get(), large_prime().get());
  EXPECT_EQ(verdict(PublicKey::from_jwk(rsa_jwk(modulus.get()))), "accepted");
  EXPECT_EQ(verdict(PublicKey::from_jwk(rsa_jwk(modulus.get(), "Aw"))),
            "rejected: the RSA key's exponent is not 65537");
}

TEST(PublicKey, RefusesPrimesThatAreCloseTogether) {
  const NumberPointer prime = large_prime();
  for (const NumberPointer& other : {NumberPointer(BN_dup(prime.get())), next_prime(prime.get())}) {
    EXPECT_EQ(verdict(PublicKey::from_jwk(rsa_jwk(product(prime.get(), other.get()).get()))),
              "rejected: the RSA key is weak: its primes are close together");
  }
}

TEST(PublicKey, RefusesASmallFactor) {
  NumberPointer modulus = product(large_prime().get(), large_prime().get());
  do BN_add_word(modulus.get(), 2);
  while (BN_mod_word(modulus.get(), 751) != 0);
  EXPECT_EQ(verdict(PublicKey::from_jwk(rsa_jwk(modulus.get()))),
            "rejected: the RSA key is weak: its modulus has a small factor");
}

// A number that is 65537^7 modulo every prime to 167, and that no prime to 751 divides.
TEST(PublicKey, RefusesTheMarkOfAFaultyLibrary) {
  const NumberContextPointer context(BN_CTX_new());
  NumberPointer modulus(BN_new()), primes(BN_new()), all(BN_new());
  BN_one(primes.get());
  BN_one(all.get());
  for (unsigned number = 2; number <= 751; number++) {
    NumberPointer factor(BN_new());
    BN_set_word(factor.get(), number);
    if (BN_check_prime(factor.get(), context.get(), nullptr) != 1) continue;
    BN_mul_word(all.get(), number);
    if (number <= 167) BN_mul_word(primes.get(), number);
  }
  BN_set_bit(modulus.get(), 2047);
  BN_sub(modulus.get(), modulus.get(),
         NumberPointer([&] {
           BIGNUM* rest = BN_new();
           BN_mod(rest, modulus.get(), primes.get(), context.get());
           return rest;
         }())
             .get());
  NumberPointer power(BN_new());
  BN_one(power.get());
  for (int i = 0; i < 7; i++) BN_mul_word(power.get(), 65537);
  BN_add(modulus.get(), modulus.get(), power.get());
  NumberPointer common(BN_new());
  do {
    BN_add(modulus.get(), modulus.get(), primes.get());
    BN_gcd(common.get(), modulus.get(), all.get(), context.get());
  } while (!BN_is_one(common.get()) || BN_num_bits(modulus.get()) != 2048);
  EXPECT_EQ(verdict(PublicKey::from_jwk(rsa_jwk(modulus.get()))),
            "rejected: the RSA key is weak: it was made by a faulty library (CVE-2017-15361)");
}

}  // namespace
}  // namespace everseal::crypto
