#include "ca/policy.h"

#include <gmock/gmock.h>

namespace everseal::ca {
namespace {

using testing::ElementsAre;
using testing::SizeIs;
using namespace std::chrono_literals;

std::string error_of(const char* json) {
  const auto policy = parse_policy(json);
  return policy ? "" : policy.error().message;
}

TEST(Policy, IsLetsEncryptsUnlessItSaysOtherwise) {
  const Policy policy = *parse_policy("{}");
  ASSERT_THAT(policy.profiles, SizeIs(3));
  EXPECT_EQ(policy.find_profile("")->name, "classic");
  EXPECT_EQ(policy.find_profile("shortlived")->terms_at(Time()).validity, 160h);
  EXPECT_TRUE(policy.find_profile("shortlived")->addresses);
  EXPECT_EQ(policy.find_profile("other"), nullptr);
  EXPECT_FALSE(policy.limits);
}

TEST(Policy, LivesBecomeShorterAsAnnounced) {
  const Policy policy;
  const auto validity = [&](const char* date) {
    return policy.find_profile("classic")->terms_at(*base::parse_rfc3339(date)).validity;
  };
  EXPECT_EQ(validity("2027-02-09T23:59:59Z"), 90 * 24h);
  EXPECT_EQ(validity("2027-02-10T00:00:00Z"), 64 * 24h);
  EXPECT_EQ(validity("2030-01-01T00:00:00Z"), 45 * 24h);
}

TEST(Policy, IsRead) {
  const auto policy = parse_policy(R"({
      "terms_of_service": "https://ca.test/terms", "website": "https://ca.test",
      "caa_identities": ["ca.test"], "agree_anew": true, "ocsp": true, "renewal_poll": "1h",
      "other_names": ["acme.test:443"], "reach_also": ["127.0.0.0/8"], "reach_never": ["10.0.0.1"],
      "external_account_required": true, "external_accounts": {"kid": "c2VjcmV0"},
      "limits": {"orders_per_account": ["3", "10s"]},
      "profiles": {
        "intranet": {"validity": "30d", "most_names": 10, "addresses": true,
                     "authorization_reuse": "8h", "pending_life": "1h", "order_life": "2h",
                     "common_name": true, "description": "for us"},
        "shortlived": {"validity": "10m"}}})");
  ASSERT_TRUE(policy) << policy.error().message;
  EXPECT_EQ(policy->terms_of_service, "https://ca.test/terms");
  EXPECT_THAT(policy->caa_identities, ElementsAre("ca.test"));
  EXPECT_THAT(policy->other_names, ElementsAre("acme.test:443"));
  EXPECT_TRUE(policy->reach_also.front().contains("127.1.2.3"));
  EXPECT_TRUE(policy->reach_never.front().contains("10.0.0.1"));
  EXPECT_EQ(policy->external_accounts.at("kid"), "c2VjcmV0");
  EXPECT_EQ(policy->renewal_poll, 1h);
  EXPECT_EQ(policy->limits->orders_per_account.burst, 3);
  EXPECT_EQ(policy->limits->orders_per_account.refill, 10s);
  EXPECT_EQ(policy->limits->failures_per_name.burst, 5);
  const Profile& own = *policy->find_profile("");
  EXPECT_EQ(own.name, "intranet");
  EXPECT_EQ(own.terms_at(Time()).validity, 30 * 24h);
  EXPECT_EQ(own.most_names, 10u);
  EXPECT_TRUE(own.addresses && own.common_name && !own.subject_key_id);
  EXPECT_EQ(policy->find_profile("shortlived")->terms_at(Time()).validity, 10min);
  EXPECT_TRUE(policy->find_profile("classic"));
}

TEST(Policy, NamesWhatIsWrong) {
  EXPECT_EQ(error_of("[]"), "policy: the payload is not a JSON object");
  EXPECT_EQ(error_of(R"({"terms": "x"})"), "policy: there is no \"terms\"");
  EXPECT_EQ(error_of(R"({"ocsp": 1})"), "policy: \"ocsp\" is not true or false");
  EXPECT_EQ(error_of(R"({"renewal_poll": "1y"})"),
            "policy: '1y' is no length of time such as 90d, 160h, 30m or 10s");
  EXPECT_EQ(error_of(R"({"renewal_poll": "-1h"})"), "policy: \"renewal_poll\" is no time at all");
  EXPECT_EQ(error_of(R"({"profiles": {"p": {"most_names": 0}}})"),
            "policy: \"most_names\" is not between 1 and 100");
  EXPECT_EQ(error_of(R"({"limits": {"orders_per_account": ["x"]}})"),
            "policy: \"orders_per_account\" is not [\"BURST\", \"REFILL\"]");
  EXPECT_EQ(error_of(R"({"limits": {"orders": ["1", "1s"]}})"), "policy: there is no \"orders\"");
  EXPECT_EQ(error_of(R"({"reach_also": ["127.0.0.1/8"]})"),
            "policy: \"reach_also\": '127.0.0.1/8' is no network such as 10.0.0.0/8 or "
            "2001:db8::/32");
  EXPECT_EQ(error_of(R"({"other_names": ["https://ca.test"]})"),
            "policy: \"other_names\": 'https://ca.test' is no host such as ca.example or "
            "ca.example:8443");
}

TEST(Policy, LimitsAreLetsEncryptsByAWord) {
  EXPECT_TRUE(parse_policy(R"({"limits": true})")->limits);
  EXPECT_FALSE(parse_policy(R"({"limits": false})")->limits);
}

}  // namespace
}  // namespace everseal::ca
