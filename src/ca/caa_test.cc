#include "ca/caa.h"

#include "ca/validation_fixture.h"

namespace everseal::ca {
namespace {

class CaaTest : public ValidationTest {
 protected:
  CaaTest() {
    validation_.name = "a.b.example";
    validation_.account_url = "https://ca.test/acct/1";
    settings_.caa_identities = {"ca.test", "ca2.test"};
  }
  std::string verdict() {
    const std::string all = ValidationTest::verdict(check_caa(context()));
    return all == "proven" ? "allowed" : all;
  }
  void put(const std::string& name, const std::string& tag, const std::string& value) {
    resolver_.put_caa(name, {.tag = tag, .value = value});
  }
  // The verdict if this is the only record of a.b.example.
  std::string with_issue(const std::string& value) {
    resolver_.clear();
    put("a.b.example", "issue", value);
    const std::string result = verdict();
    return result == "allowed" ? result : result.substr(0, 3);
  }
};

TEST_F(CaaTest, AllowsWhatNobodyForbids) { EXPECT_EQ(verdict(), "allowed"); }

TEST_F(CaaTest, ClimbsToTheFirstNameThatHasRecords) {
  put("example", "issue", ";");
  EXPECT_EQ(verdict(), "caa: the CAA records of example forbid it: \";\"");
  put("b.example", "issue", "ca2.test");
  EXPECT_EQ(verdict(), "allowed");
  put("a.b.example", "issue", "other.test");
  EXPECT_EQ(verdict(), "caa: the CAA records of a.b.example forbid it: \"other.test\"");
  put("a.b.example", "issue", "CA.test");
  EXPECT_EQ(verdict(), "allowed");
}

TEST_F(CaaTest, CountsTagsWithoutCaseAndOthersAsNoRestriction) {
  put("a.b.example", "iodef", "mailto:x@b.example");
  EXPECT_EQ(verdict(), "allowed");
  put("a.b.example", "ISSUE", ";");
  EXPECT_EQ(verdict(), "caa: the CAA records of a.b.example forbid it: \";\"");
}

TEST_F(CaaTest, IsForbiddenByACriticalPropertyThatIsNotUnderstood) {
  resolver_.put_caa("b.example", {.critical = false, .tag = "future", .value = "x"});
  EXPECT_EQ(verdict(), "allowed");
  resolver_.put_caa("b.example", {.critical = true, .tag = "issue", .value = "ca.test"});
  EXPECT_EQ(verdict(), "allowed");
  resolver_.put_caa("b.example", {.critical = true, .tag = "future", .value = "x"});
  EXPECT_EQ(verdict(),
            "caa: the CAA records of b.example forbid it: a critical property that is not "
            "understood, future");
}

TEST_F(CaaTest, AsksAboutWildcardsFirstIfAnybodySpeaksOfThem) {
  put("b.example", "issue", "ca.test");
  put("b.example", "issuewild", ";");
  EXPECT_EQ(verdict(), "allowed");
  validation_.wildcard = true;
  EXPECT_EQ(verdict(), "caa: the CAA records of b.example forbid it: \";\"");
  resolver_.clear();
  put("b.example", "issue", "other.test");
  put("b.example", "issuewild", "ca.test");
  EXPECT_EQ(verdict(), "allowed");
  resolver_.clear();
  put("b.example", "issue", "other.test");
  EXPECT_EQ(verdict(), "caa: the CAA records of b.example forbid it: \"other.test\"");
}

// RFC 8657 §3.
TEST_F(CaaTest, HeedsTheAccount) {
  EXPECT_EQ(with_issue("ca.test; accounturi=https://ca.test/acct/1"), "allowed");
  EXPECT_EQ(with_issue("ca.test; accounturi=https://ca.test/acct/2"), "caa");
  EXPECT_EQ(with_issue("ca.test; accounturi=https://ca.test/acct/1; "
                       "accounturi=https://ca.test/acct/1"),
            "caa");
}

// RFC 8657 §4.
TEST_F(CaaTest, HeedsTheMethod) {
  EXPECT_EQ(with_issue("ca.test; validationmethods=dns-01,http-01"), "allowed");
  EXPECT_EQ(with_issue("ca.test; ValidationMethods=http-01"), "allowed");
  EXPECT_EQ(with_issue("ca.test; validationmethods=dns-01"), "caa");
  EXPECT_EQ(with_issue("ca.test; validationmethods="), "caa");
  EXPECT_EQ(with_issue("ca.test; validationmethods=http-01; accounturi=x"), "caa");
}

// RFC 8659 §4.2.
TEST_F(CaaTest, AllowsNobodyByAMalformedValue) {
  EXPECT_EQ(with_issue("  ca.test\t;"), "allowed");
  EXPECT_EQ(with_issue("ca.test; future=x"), "allowed");
  EXPECT_EQ(with_issue(""), "caa");
  EXPECT_EQ(with_issue("%%%%%"), "caa");
  EXPECT_EQ(with_issue("ca.test; policy"), "caa");
  EXPECT_EQ(with_issue("ca.test; a b=c"), "caa");
  EXPECT_EQ(with_issue("ca.test, ca2.test"), "caa");
}

TEST_F(CaaTest, IsNotGuessedWhereTheAnswerIsMissing) {
  resolver_.fail("b.example", {ErrorKind::transient, "b.example: SERVFAIL"});
  EXPECT_EQ(verdict(), "dns: look up CAA of b.example: SERVFAIL");
}

TEST_F(CaaTest, IsNotAskedAboutAddressesOrByACaWithoutIdentity) {
  put("a.b.example", "issue", ";");
  settings_.caa_identities.clear();
  EXPECT_EQ(verdict(), "allowed");
  settings_.caa_identities = {"ca.test"};
  validation_.name = "192.0.2.1";
  EXPECT_EQ(verdict(), "allowed");
}

}  // namespace
}  // namespace everseal::ca
