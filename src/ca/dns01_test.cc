#include "ca/dns01.h"

#include <gtest/gtest.h>

#include "base/encoding.h"
#include "crypto/jws.h"
#include "dns/fake_resolver.h"

namespace everseal::ca {
namespace {

class Dns01Test : public testing::Test {
 protected:
  std::string verdict() {
    const auto proven = prove_dns_01({.validation = validation_,
                                      .settings = settings_,
                                      .resolver = resolver_,
                                      .deadline = Instant::max()});
    return proven ? "proven" : proven.error().describe();
  }

  const std::string right_ = base::base64url(crypto::sha256("token.thumbprint"));
  Validation validation_{.type = ChallengeType::dns_01,
                         .name = "a.example",
                         .token = "token",
                         .thumbprint = "thumbprint"};
  ValidationSettings settings_;
  dns::FakeResolver resolver_;
};

TEST_F(Dns01Test, FindsTheDigestAmongTheRecords) {
  resolver_.put_text("_acme-challenge.a.example", "another");
  resolver_.put_text("_acme-challenge.a.example", right_);
  EXPECT_EQ(verdict(), "proven");
}

TEST_F(Dns01Test, RefusesOtherRecords) {
  resolver_.put_text("_acme-challenge.a.example", "\"" + right_ + "\"");
  EXPECT_EQ(verdict(),
            "unauthorized: none of the 1 TXT records of _acme-challenge.a.example is the digest of "
            "the key authorization; one is \"\"" +
                right_ + "\"\"");
}

TEST_F(Dns01Test, TellsMissingRecordsFromFailures) {
  EXPECT_EQ(verdict(), "dns: look up TXT of _acme-challenge.a.example: the name does not exist");
  resolver_.put("_acme-challenge.a.example", {});
  EXPECT_EQ(verdict(), "unauthorized: _acme-challenge.a.example has no TXT record");
  resolver_.fail("_acme-challenge.a.example",
                 {ErrorKind::transient, "_acme-challenge.a.example: SERVFAIL"});
  EXPECT_EQ(verdict(), "dns: look up TXT of _acme-challenge.a.example: SERVFAIL");
}

}  // namespace
}  // namespace everseal::ca
