#include "crypto/certificate.h"

#include <gmock/gmock.h>

#include "crypto/certificate_request.h"
#include "crypto/fake_authority.h"

namespace everseal::crypto {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// A chain of three for example.com, and what goes with it.
class VerifyChain : public testing::Test {
 protected:
  Time date(const char* text) { return *base::parse_rfc3339(text); }

  FakeLeaf leaf_content() {
    return {.public_key_der = key_.public_key_der(),
            .names = {"example.com", "www.example.com"},
            .addresses = {},
            .not_before = date("2026-01-01T00:00:00Z"),
            .not_after = date("2026-04-01T00:00:00Z")};
  }

  std::string chain_of(const FakeLeaf& content) {
    return intermediate_.issue(content).pem() + intermediate_.certificate().pem();
  }

  std::string error_of(const std::string& pem) {
    auto chain = verify_chain(pem, expected_);
    return chain ? "accepted" : chain.error().message;
  }

  PrivateKey key_ = *PrivateKey::generate(KeyType::ecdsa_p256);
  FakeAuthority root_{"Root"};
  FakeAuthority intermediate_{"Intermediate", &root_};
  ExpectedCertificate expected_{.public_key_der = key_.public_key_der(),
                                .names = {"www.example.com", "example.com"},
                                .now = date("2026-02-01T00:00:00Z")};
};

TEST_F(VerifyChain, AcceptsWhatWasAskedFor) {
  auto chain = verify_chain(chain_of(leaf_content()), expected_);
  ASSERT_TRUE(chain) << chain.error().message;
  EXPECT_THAT(chain->leaf().dns_names(), ElementsAre("example.com", "www.example.com"));
  EXPECT_EQ(chain->leaf().issuer(), "CN=Intermediate");
  EXPECT_EQ(chain->topmost().issuer_common_name(), "Root");
  EXPECT_EQ(base::to_rfc3339(chain->leaf().not_after()), "2026-04-01T00:00:00Z");
  EXPECT_TRUE(key_matches(chain->leaf(), key_));
  EXPECT_FALSE(chain->leaf().self_signed());
  EXPECT_TRUE(root_.certificate().self_signed());
  EXPECT_EQ(chain->intermediates_pem(), intermediate_.certificate().pem());
}

TEST_F(VerifyChain, FaultA11_OrderAndLineEndingsAreNormalised) {
  const Certificate leaf = intermediate_.issue(leaf_content());
  std::string shuffled =
      root_.certificate().pem() + "\n" + leaf.pem() + intermediate_.certificate().pem();
  for (std::size_t at = 0; (at = shuffled.find('\n', at)) != std::string::npos; at += 2) {
    shuffled.insert(at, "\r");
  }
  auto chain = verify_chain(shuffled, expected_);
  ASSERT_TRUE(chain) << chain.error().message;
  EXPECT_EQ(chain->to_pem(),
            leaf.pem() + intermediate_.certificate().pem() + root_.certificate().pem());
}

TEST_F(VerifyChain, FaultA11_MissingIntermediateIsRefused) {
  EXPECT_EQ(error_of(intermediate_.issue(leaf_content()).pem()),
            "the certificate of the issuer, CN=Intermediate, is missing");
  EXPECT_EQ(error_of(intermediate_.issue(leaf_content()).pem() + root_.certificate().pem()),
            "CN=Root did not issue ");
}

TEST_F(VerifyChain, FaultA11_UnrelatedCertificateIsRefused) {
  EXPECT_EQ(error_of(chain_of(leaf_content()) + FakeAuthority("Other").certificate().pem()),
            "CN=Other did not issue CN=Intermediate");
}

TEST_F(VerifyChain, FaultA11_IssuerOfTheSameNameWithAnotherKeyIsRefused) {
  EXPECT_EQ(error_of(intermediate_.issue(leaf_content()).pem() +
                     FakeAuthority("Intermediate", &root_).certificate().pem()),
            "CN=Intermediate did not issue ");
}

TEST_F(VerifyChain, FaultA11_TrailingJunkIsRefused) {
  EXPECT_EQ(error_of(chain_of(leaf_content()) + "junk\n"),
            "certificate 3: not a certificate in PEM: junk\\x0a");
  EXPECT_EQ(error_of(""), "no certificate");
}

TEST_F(VerifyChain, FaultA11_PrivateKeyAmongTheCertificatesIsRefused) {
  EXPECT_EQ(error_of(chain_of(leaf_content()) + key_.to_pem()),
            "certificate 1: a private key among the certificates");
}

TEST_F(VerifyChain, FaultA12_CertificateForAnotherKeyIsRefused) {
  FakeLeaf content = leaf_content();
  content.public_key_der = PrivateKey::generate(KeyType::ecdsa_p256)->public_key_der();
  EXPECT_EQ(error_of(chain_of(content)),
            "the certificate is for another key than the one requested");
}

TEST_F(VerifyChain, FaultA13_OtherNamesAreRefused) {
  FakeLeaf content = leaf_content();
  content.names = {"example.com"};
  EXPECT_EQ(error_of(chain_of(content)),
            "the certificate is for example.com, not for example.com, www.example.com");
  content.names = {"*.example.com", "example.com", "www.example.com"};
  EXPECT_THAT(error_of(chain_of(content)), HasSubstr("is for *.example.com, example.com"));
  content = leaf_content();
  content.addresses = {"192.0.2.1"};
  EXPECT_EQ(error_of(chain_of(content)), "the certificate names something that is not a domain");
}

TEST_F(VerifyChain, FaultA14_DatesThatDoNotHoldAreRefused) {
  FakeLeaf content = leaf_content();
  content.not_after = date("2026-01-31T00:00:00Z");
  EXPECT_EQ(error_of(chain_of(content)), "the certificate expired at 2026-01-31T00:00:00Z");
  content.not_after = date("2046-01-31T00:00:00Z");
  EXPECT_EQ(error_of(chain_of(content)),
            "the certificate is for more than ten years, until 2046-01-31T00:00:00Z");
  content.not_after = content.not_before;
  EXPECT_EQ(error_of(chain_of(content)), "the certificate ends before it begins");
}

TEST_F(VerifyChain, FaultA14_CertificateOfANearFutureIsHeld) {
  FakeLeaf content = leaf_content();
  content.not_before = expected_.now + std::chrono::days(6);
  auto chain = verify_chain(chain_of(content), expected_);
  ASSERT_FALSE(chain);
  EXPECT_EQ(chain.error().kind, ErrorKind::transient);
  EXPECT_EQ(chain.error().message, "the certificate is not valid before 2026-02-07T00:00:00Z");
  content.not_before = expected_.now + std::chrono::days(8);
  EXPECT_EQ(verify_chain(chain_of(content), expected_).error().kind, ErrorKind::rejected);
}

TEST_F(VerifyChain, FaultS7_HugeBundleIsRefused) {
  std::string bundle;
  for (int i = 0; i < 11; i++) bundle += root_.certificate().pem();
  EXPECT_EQ(error_of(bundle), "more than 10 certificates in a chain");
  EXPECT_EQ(error_of(std::string(300 << 10, ' ')), "the chain is larger than 256 KiB");
}

TEST(Certificate, SurvivesItsEncodings) {
  const FakeAuthority root("Root");
  const Certificate& one = root.certificate();
  EXPECT_EQ(Certificate::from_der(one.der())->fingerprint(), one.fingerprint());
  EXPECT_EQ(Certificate::from_pem(one.pem())->der(), one.der());
  EXPECT_EQ(Certificate::from_der(one.der() + "x").error().message, "bytes after the certificate");
  EXPECT_EQ(one.serial().size() % 2, 0u);
}

TEST(CertificateRequest, RefusesNamesThatAreNotDomains) {
  const PrivateKey key = *PrivateKey::generate(KeyType::ecdsa_p384);
  const std::string good[] = {"example.com", "*.example.com"};
  EXPECT_TRUE(make_certificate_request(key, good));
  const std::string upper[] = {"Example.com"};
  EXPECT_EQ(make_certificate_request(key, upper).error().message,
            "not in the form of a certificate: Example.com");
  EXPECT_EQ(make_certificate_request(key, {}).error().message,
            "a certificate request needs a name");
}

// The example of RFC 9773 §4.1: its key identifier, its serial number and what is made of them.
TEST(RenewalId, IsTheOneOfTheRfc) {
  const std::string pem = R"(-----BEGIN CERTIFICATE-----
MIIBQzCB66ADAgECAgUAh2VDITAKBggqhkjOPQQDAjAVMRMwEQYDVQQDEwpFeGFt
cGxlIENBMCIYDzAwMDEwMTAxMDAwMDAwWhgPMDAwMTAxMDEwMDAwMDBaMBYxFDAS
BgNVBAMTC2V4YW1wbGUuY29tMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEeBZu
7cbpAYNXZLbbh8rNIzuOoqOOtmxA1v7cRm//AwyMwWxyHz4zfwmBhcSrf47NUAFf
qzLQ2PPQxdTXREYEnKMjMCEwHwYDVR0jBBgwFoAUaYhba4dGQEHhs3uEe6CuLN4B
yNQwCgYIKoZIzj0EAwIDRwAwRAIge09+S5TZAlw5tgtiVvuERV6cT4mfutXIlwTb
+FYN/8oCIClDsqBklhB9KAelFiYt9+6FDj3z4KGVelYM5MdsO3pK
-----END CERTIFICATE-----
)";
  const auto certificate = Certificate::from_pem(pem);
  ASSERT_TRUE(certificate) << certificate.error().message;
  EXPECT_EQ(*renewal_id(*certificate), "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE");
}

}  // namespace
}  // namespace everseal::crypto
