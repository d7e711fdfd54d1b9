#include "crypto/received_jws.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/encoding.h"
#include "crypto/jws.h"

namespace everseal::crypto {
namespace {

constexpr std::string_view kGoodHeader =
    R"({"alg":"ES256","kid":"https://ca/a/1","nonce":"bm9uY2U","url":"https://ca/order"})";

// "KIND: MESSAGE", or "accepted".
template <class T>
std::string verdict(const Result<T>& result) {
  if (result) return "accepted";
  return fmt::format("{}: {}", base::to_string(result.error().kind), result.error().message);
}

std::string with_header(std::string_view header) {
  return fmt::format(R"({{"protected":"{}","payload":"","signature":"AA"}})",
                     base::base64url(header));
}

std::string of(std::string_view body) { return verdict(parse_jws(body)); }

TEST(ReceivedJws, IsWhatTheClientSigned) {
  for (KeyType type : {KeyType::ecdsa_p256, KeyType::ecdsa_p384, KeyType::rsa_2048}) {
    const PrivateKey key = *PrivateKey::generate(type);
    const auto jws = *parse_jws(
        *sign_jws(key, {.url = "https://ca/order", .nonce = "bm9uY2U", .kid = "https://ca/a/1"},
                  R"({"a":1})"));
    EXPECT_EQ(jws.algorithm, key.jws_algorithm());
    EXPECT_EQ(jws.kid, "https://ca/a/1");
    EXPECT_EQ(jws.jwk, "");
    EXPECT_EQ(jws.nonce, "bm9uY2U");
    EXPECT_EQ(jws.url, "https://ca/order");
    EXPECT_EQ(jws.payload, R"({"a":1})");
    EXPECT_TRUE(jws.verify(*PublicKey::from_der(key.public_key_der())));
  }
}

TEST(ReceivedJws, CarriesTheKeyOfANewAccount) {
  const PrivateKey key = *PrivateKey::generate(KeyType::ecdsa_p256);
  const auto jws =
      *parse_jws(*sign_jws(key, {.url = "https://ca/new", .nonce = "bm9uY2U", .kid = ""}, ""));
  EXPECT_EQ(jws.kid, "");
  EXPECT_EQ(jws.payload, "");
  const auto embedded = *PublicKey::from_jwk(jws.jwk);
  EXPECT_EQ(embedded.thumbprint(), thumbprint(key));
  EXPECT_TRUE(jws.verify(embedded));
}

TEST(ReceivedJws, IsNotVerifiedByAnotherKeyOrWithAnotherText) {
  const PrivateKey key = *PrivateKey::generate(KeyType::ecdsa_p256);
  const PrivateKey other = *PrivateKey::generate(KeyType::ecdsa_p256);
  auto jws = *parse_jws(*sign_jws(key, {.url = "https://ca/", .nonce = "", .kid = "k"}, "{}"));
  EXPECT_EQ(verdict(jws.verify(*PublicKey::from_der(other.public_key_der()))),
            "rejected: the signature does not hold");
  jws.signed_text += "A";
  EXPECT_EQ(verdict(jws.verify(*PublicKey::from_der(key.public_key_der()))),
            "rejected: the signature does not hold");
}

TEST(ReceivedJws, RefusesOtherSerializations) {
  EXPECT_EQ(of("eyJ9.e30.AA"), "invalid: the JWS: not a JSON object");
  EXPECT_EQ(of("{}"), "invalid: the JWS: no \"protected\"");
  EXPECT_EQ(of(std::string(65 << 10, ' ')), "invalid: the JWS: larger than 64 KiB");
  const std::string good = with_header(kGoodHeader);
  EXPECT_EQ(of(good), "accepted");
  const auto with_member = [&](std::string_view member) {
    return of(fmt::format("{},{}}}", good.substr(0, good.size() - 1), member));
  };
  EXPECT_EQ(with_member(R"("signatures":[])"), "invalid: the JWS: more than one signature");
  EXPECT_EQ(with_member(R"("header":{"alg":"none"})"), "invalid: the JWS: an unprotected header");
  EXPECT_EQ(with_member(R"("payload":"e30")"),
            "invalid: the JWS: a JSON object that names a member twice");
}

TEST(ReceivedJws, RefusesPaddingAndOtherAlphabets) {
  EXPECT_EQ(of(R"({"protected":"e30","payload":"e30=","signature":"AA"})"),
            "invalid: the JWS: \"payload\" is not base64url");
  EXPECT_EQ(of(R"({"protected":"e30","payload":"","signature":"+/"})"),
            "invalid: the JWS: \"signature\" is not base64url");
  EXPECT_EQ(of(R"({"protected":"{}","payload":"","signature":""})"),
            "invalid: the JWS: \"protected\" is not base64url");
}

TEST(ReceivedJws, RefusesHeadersThatRfc8555Forbids) {
  const auto refused = [](std::string_view header) { return of(with_header(header)); };
  EXPECT_EQ(refused(R"({"alg":"ES256","url":"u"})"),
            "invalid: the JWS: the protected header has not exactly one of \"jwk\" and \"kid\"");
  EXPECT_EQ(refused(R"({"alg":"ES256","kid":"k","jwk":{},"url":"u"})"),
            "invalid: the JWS: the protected header has not exactly one of \"jwk\" and \"kid\"");
  EXPECT_EQ(refused(R"({"alg":"ES256","kid":"","url":"u"})"), "invalid: the JWS: \"kid\" is empty");
  EXPECT_EQ(refused(R"({"alg":"ES256","kid":"k"})"), "invalid: the JWS: no \"url\"");
  EXPECT_EQ(refused(R"({"kid":"k","url":"u"})"), "invalid: the JWS: no \"alg\"");
  EXPECT_EQ(refused(R"({"alg":"ES256","kid":"k","url":"u","nonce":"a b"})"),
            "invalid: the JWS: \"nonce\" is not base64url");
  EXPECT_EQ(refused(R"({"alg":"ES256","kid":"k","url":"u","crit":["x"]})"),
            "invalid: the JWS: a critical header that is not understood");
  EXPECT_EQ(refused(R"({"alg":"ES256","kid":"k","url":"u","b64":false})"),
            "invalid: the JWS: a payload that is not base64url");
  EXPECT_EQ(refused(R"({"alg":"ES256","jwk":"k","url":"u"})"),
            "invalid: the JWS: \"jwk\" is not an object");
}

TEST(ReceivedJws, TellsUnknownAlgorithmsFromMalformedRequests) {
  for (const char* algorithm : {"none", "HS256", "ES512", "EdDSA", "es256"}) {
    EXPECT_EQ(of(with_header(fmt::format(R"({{"alg":"{}","kid":"k","url":"u"}})", algorithm))),
              fmt::format("rejected: the JWS: signed with {}; ES256, ES384 and RS256 are known",
                          algorithm));
  }
}

class ReceivedBindingTest : public testing::Test {
 protected:
  static constexpr std::string_view kUrl = "https://ca/new-account";
  static constexpr std::string_view kMacKey = "secret";

  std::string of(const ReceivedBinding& binding, std::string_view mac_key,
                 const PublicKey& key) const {
    return verdict(binding.verify(mac_key, key, kUrl));
  }

  PrivateKey private_key_ = *PrivateKey::generate(KeyType::ecdsa_p256);
  PublicKey key_ = *PublicKey::from_der(private_key_.public_key_der());
  std::string text_ = *bind_external_account(
      private_key_, kUrl, {.kid = "person-1", .mac_key = base::base64url(kMacKey)});
};

TEST_F(ReceivedBindingTest, TiesTheAccountKeyToThePerson) {
  const auto binding = *parse_external_account_binding(text_);
  EXPECT_EQ(binding.kid, "person-1");
  EXPECT_EQ(binding.algorithm, "HS256");
  EXPECT_EQ(of(binding, kMacKey, key_), "accepted");
}

TEST_F(ReceivedBindingTest, IsRefusedForAnotherPersonKeyOrUrl) {
  auto binding = *parse_external_account_binding(text_);
  EXPECT_EQ(of(binding, "another", key_),
            "rejected: the external account binding is not made with the key of its account");
  const auto other = *PrivateKey::generate(KeyType::ecdsa_p256);
  EXPECT_EQ(of(binding, kMacKey, *PublicKey::from_der(other.public_key_der())),
            "rejected: the external account binding is for another key than the request");
  binding.url = "https://ca/elsewhere";
  EXPECT_EQ(of(binding, kMacKey, key_),
            "rejected: the external account binding is for another URL");
  binding.mac.pop_back();
  EXPECT_EQ(of(binding, kMacKey, key_),
            "rejected: the external account binding is not made with the key of its account");
}

TEST_F(ReceivedBindingTest, MustNotCarryANonceOrASignature) {
  const auto refused = [](std::string_view header) {
    return verdict(parse_external_account_binding(with_header(header)));
  };
  EXPECT_EQ(refused(R"({"alg":"HS256","kid":"k","url":"u","nonce":"AA"})"),
            "invalid: the external account binding: a nonce, where none belongs");
  EXPECT_EQ(refused(R"({"alg":"ES256","kid":"k","url":"u"})"),
            "rejected: the external account binding: signed with ES256; HS256, HS384 and HS512 are "
            "known");
  EXPECT_EQ(refused(R"({"alg":"HS256","url":"u"})"),
            "invalid: the external account binding: no \"kid\"");
}

}  // namespace
}  // namespace everseal::crypto
