#include "base/domain_name.h"

#include <gtest/gtest.h>

#include <map>

namespace everseal::base {
namespace {

TEST(DomainName, IsLowerCasedAndTurnedIntoALabels) {
  EXPECT_EQ(parse_domain_name("Example.COM"), "example.com");
  EXPECT_EQ(parse_domain_name("Bücher.example"), "xn--bcher-kva.example");
  EXPECT_EQ(parse_domain_name("*.bücher.example"), "*.xn--bcher-kva.example");
  EXPECT_EQ(parse_domain_name("*.example.com"), "*.example.com");
}

TEST(DomainName, RefusesHostileNamesWithThePosition) {
  const std::map<std::string, std::string> refusals = {
      {"", "'' is not a domain name: it is empty"},
      {"../x", "'../x' is not a domain name: empty label at byte 1"},
      {"a\nb.c", "'a\\x0ab.c' is not a domain name: unexpected '\\x0a' at byte 2"},
      {"a;b.com", "'a;b.com' is not a domain name: unexpected ';' at byte 2"},
      {"a b.com", "'a b.com' is not a domain name: unexpected ' ' at byte 2"},
      {"é\r.com", "'é\\x0d.com' is not a domain name: unexpected '\\x0d' at byte 3"},
      {"localhost", "'localhost' is not a domain name: only one label, expected a dot at byte 10"},
      {"127.0.0.1",
       "'127.0.0.1' is not a domain name: last label is a number (an IP address?) at byte 9"},
      {"example.com.", "'example.com.' is not a domain name: empty label at byte 13"},
      {"-rf.com", "'-rf.com' is not a domain name: label begins with '-' at byte 1"},
      {"a-.com", "'a-.com' is not a domain name: label ends with '-' at byte 2"},
      {"_acme.x.com", "'_acme.x.com' is not a domain name: unexpected '_' at byte 1"},
      {"*.*.x.com", "'*.*.x.com' is not a domain name: unexpected '*' at byte 3"},
      {"${pid}.com", "'${pid}.com' is not a domain name: unexpected '$' at byte 1"},
  };
  for (const auto& [name, message] : refusals) {
    const auto result = parse_domain_name(name);
    ASSERT_FALSE(result) << name;
    EXPECT_EQ(result.error().message, message);
  }
}

// RFC 3492 §7.1 and RFC 5891 §4.2.
TEST(DomainName, FaultS3_RefusesALabelsThatStandForNothing) {
  for (const char* good :
       {"xn--mnchen-3ya.example", "xn--egbpdaj6bu4bxfgehfvwxn.example",
        "xn--ihqwcrb4cv8a8dqg056pqjye.example", "xn--fiqs8s.example", "xn--80ak6aa92e.com",
        "xn--r8jz45g.xn--zckzah", "ab--cd.example", "xn--3B-ww4c5e180e575a65lsy2b.example"})
    EXPECT_TRUE(parse_domain_name(good)) << good;
  for (const char* bad : {"xn--a.example", "xn--99999999.example", "xn--a-b-c-9999999999.example"})
    EXPECT_EQ(
        parse_domain_name(bad).error().message,
        std::string("'") + bad + "' is not a domain name: no Punycode after 'xn--' at byte 5");
}

TEST(DomainName, RefusesWhatIsTooLong) {
  EXPECT_FALSE(parse_domain_name(std::string(64, 'a') + ".com"));
  EXPECT_TRUE(parse_domain_name(std::string(63, 'a') + ".com"));
  std::string name;
  while (name.size() < 250) name += "a.";
  EXPECT_TRUE(parse_domain_name(name + "com"));
  EXPECT_FALSE(parse_domain_name(name + "comm"));
  EXPECT_FALSE(parse_domain_name(std::string(300, 'a')));
}

TEST(DomainName, RefusesEmoji) {
  const auto result = parse_domain_name("💩.example");
  ASSERT_FALSE(result);
  EXPECT_TRUE(result.error().message.ends_with(" at byte 1")) << result.error().message;
}

TEST(Covers, FollowsRfc6125) {
  EXPECT_TRUE(covers("example.com", "example.com"));
  EXPECT_TRUE(covers("*.example.com", "www.example.com"));
  EXPECT_FALSE(covers("*.example.com", "example.com"));
  EXPECT_FALSE(covers("*.example.com", "a.b.example.com"));
  EXPECT_FALSE(covers("*.example.com", ".example.com"));
}

}  // namespace
}  // namespace everseal::base
