#include "ca/validation_authority.h"

#include <gmock/gmock.h>
#include <poll.h>

#include <map>

#include "base/encoding.h"
#include "ca/stranger_in_thread.h"
#include "crypto/jws.h"
#include "dns/fake_resolver.h"

namespace everseal::ca {
namespace {

class ValidationAuthorityTest : public testing::Test {
 protected:
  // What became of each, in one line, once `count` have ended.
  static std::map<std::uint64_t, std::string> outcomes(ValidationAuthority& authority,
                                                       std::size_t count) {
    std::map<std::uint64_t, std::string> result;
    while (result.size() < count) {
      pollfd poll{authority.event(), POLLIN, 0};
      if (::poll(&poll, 1, 5000) != 1) break;
      for (const ValidationOutcome& each : authority.finished())
        result[each.id] = each.problem ? each.problem->describe() : "valid";
    }
    return result;
  }

  static Validation dns_validation(const std::string& name) {
    return {
        .type = ChallengeType::dns_01, .name = name, .token = "token", .thumbprint = "thumbprint"};
  }

  ValidationAuthorityTest() {
    resolver_.put_text("_acme-challenge.a.example",
                       base::base64url(crypto::sha256("token.thumbprint")));
  }

  dns::FakeResolver resolver_;
};

TEST_F(ValidationAuthorityTest, TellsWhatEndedByItsEvent) {
  ValidationAuthority authority({}, resolver_);
  authority.start(7, dns_validation("a.example"));
  authority.start(8, dns_validation("b.example"));
  const auto ended = outcomes(authority, 2);
  EXPECT_EQ(ended.at(7), "valid");
  EXPECT_EQ(ended.at(8), "dns: look up TXT of _acme-challenge.b.example: the name does not exist");
  pollfd poll{authority.event(), POLLIN, 0};
  EXPECT_EQ(::poll(&poll, 1, 0), 0);
  EXPECT_TRUE(authority.finished().empty());
}

TEST_F(ValidationAuthorityTest, ChecksCaaOnceTheChallengeIsTrue) {
  resolver_.put_caa("example", {.tag = "issue", .value = "other.test"});
  ValidationAuthority authority({.caa_identities = {"ca.test"}}, resolver_);
  authority.start(1, dns_validation("a.example"));
  EXPECT_EQ(outcomes(authority, 1).at(1),
            "caa: the CAA records of example forbid it: \"other.test\"");
}

// As Let's Encrypt sets them.
TEST(Disproven, HasTheStatusOfItsType) {
  EXPECT_EQ(disproven("unauthorized", "").error().status, 403);
  EXPECT_EQ(disproven("caa", "").error().status, 403);
  EXPECT_EQ(disproven("connection", "").error().status, 400);
}

// The server of the first account's names does not answer in time.
TEST_F(ValidationAuthorityTest, WorksForOthersWhileOneAccountsNamesDoNotAnswer) {
  StrangerInThread silent("127.0.0.1", 0, [](auto&) {
    auto answer = StrangerInThread::ok("");
    answer.before = base::Milliseconds(2000);
    return answer;
  });
  resolver_.put("slow.example", {.v4 = {"127.0.0.1"}});
  ValidationAuthority authority({.http_port = silent.port(),
                                 .reach = {.loopback = Reach::Loopback::allowed},
                                 .step_timeout = base::Milliseconds(300),
                                 .at_work = {.account = 1, .network = 2, .all = 2}},
                                resolver_);
  for (std::uint64_t id = 1; id <= 3; id++)
    authority.start(id, {.name = "slow.example", .requester = {.account = 1}});
  Validation other = dns_validation("a.example");
  other.requester.account = 2;
  authority.start(4, other);
  const auto ended = outcomes(authority, 1);
  EXPECT_EQ(ended.size(), 1u);
  EXPECT_EQ(ended.at(4), "valid");
  EXPECT_EQ(outcomes(authority, 3).size(), 3u);  // the others end, too
}

// Each redirect is slow, none too slow: the whole ends nevertheless.
TEST_F(ValidationAuthorityTest, EndsEachValidationByADeadlineOfTheWhole) {
  StrangerInThread server("127.0.0.1", 0, [](auto&) {
    auto answer = StrangerInThread::redirect("/x");
    answer.before = base::Milliseconds(150);
    return answer;
  });
  resolver_.put("a.example", {.v4 = {"127.0.0.1"}});
  ValidationAuthority authority({.http_port = server.port(),
                                 .reach = {.loopback = Reach::Loopback::allowed},
                                 .step_timeout = base::Milliseconds(300),
                                 .total_timeout = base::Milliseconds(500)},
                                resolver_);
  const auto start = std::chrono::steady_clock::now();
  authority.start(1, {.name = "a.example", .token = "token", .thumbprint = "thumbprint"});
  EXPECT_THAT(outcomes(authority, 1).at(1),  // after as many redirects as there was time for
              testing::AllOf(testing::StartsWith("connection: 127.0.0.1: fetch "),
                             testing::EndsWith(": no answer in time")));
  EXPECT_LT(std::chrono::steady_clock::now() - start, base::Milliseconds(1500));
}

TEST_F(ValidationAuthorityTest, WorksOnManyAtOnce) {
  StrangerInThread server("127.0.0.1", 0,
                          [](auto&) { return StrangerInThread::ok("token.thumbprint"); });
  resolver_.put("a.example", {.v4 = {"127.0.0.1"}});
  ValidationAuthority authority(
      {.http_port = server.port(), .reach = {.loopback = Reach::Loopback::allowed}}, resolver_);
  for (std::uint64_t id = 0; id < 200; id++)
    authority.start(id, {.name = "a.example", .token = "token", .thumbprint = "thumbprint"});
  const auto ended = outcomes(authority, 200);
  EXPECT_EQ(ended.size(), 200u);
  for (const auto& [id, outcome] : ended) EXPECT_EQ(outcome, "valid");
}

}  // namespace
}  // namespace everseal::ca
