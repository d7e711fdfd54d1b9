#include "ca/dns01.h"

#include "base/encoding.h"
#include "ca/validation_fixture.h"
#include "crypto/jws.h"

namespace everseal::ca {
namespace {

class Dns01Test : public ValidationTest {
 protected:
  std::string verdict() { return ValidationTest::verdict(prove_dns_01(context())); }

  const std::string right_ = base::base64url(crypto::sha256("token.thumbprint"));
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
            "the key authorization");
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
