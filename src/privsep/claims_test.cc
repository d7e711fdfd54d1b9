#include "privsep/claims.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace everseal::privsep {
namespace {

const std::string kToken(30, 'a');

class ClaimsTest : public testing::Test {
 protected:
  // What is wrong with an event; empty if nothing is.
  std::string check(NetEvent event) {
    const auto good = claims_.check(event);
    last_ = std::move(event);
    return good ? "" : good.error().message;
  }

  const base::FakeClock clock_{Time(base::Seconds(1'000'000))};
  Claims claims_{
      "https://ca.test:443",
      {{.id = 1, .names = {"a.com"}, .replaces = "one.id"}, {.id = 2, .names = {"b.com"}}},
      clock_};
  NetEvent last_;
};

TEST_F(ClaimsTest, PassesTheLifeOfAnIssuance) {
  EXPECT_EQ(check(tell::Progress{1, acme::Step::ordering}), "");
  EXPECT_EQ(check(tell::SaveOrders{{{1, "https://ca.test/order/1"}}}), "");
  EXPECT_EQ(check(tell::Publish{{1, "a.com", kToken}}), "");
  EXPECT_EQ(check(tell::Retract{{1, "a.com", kToken}}), "");
  EXPECT_EQ(check(tell::Finished{{.id = 1, .chain = "x", .order_url = "https://ca.test/order/1"}}),
            "");
  EXPECT_EQ(check(tell::Finished{{.id = 2, .chain = base::transient("no")}}), "");
  EXPECT_FALSE(claims_.ended());
  EXPECT_EQ(check(tell::Ended{}), "");
  EXPECT_TRUE(claims_.ended() && claims_.complete());
}

TEST_F(ClaimsTest, RefusesWhatWasNotAskedFor) {
  const std::string refusal = "something about a certificate that was not asked for";
  EXPECT_EQ(check(tell::Progress{3, acme::Step::ordering}), refusal);
  EXPECT_EQ(check(tell::Publish{{3, "a.com", kToken}}), refusal);
  EXPECT_EQ(check(tell::Finished{{.id = 3}}), refusal);
  EXPECT_EQ(check(tell::Publish{{1, "b.com", kToken}}),
            "a challenge for a name that was not asked for");
  EXPECT_EQ(check(tell::SaveOrders{{{1, "https://evil.test/order/1"}}}),
            "a URL that is not the CA's");
}

TEST_F(ClaimsTest, FaultS11_PassesNoMoreThanCanBeNeeded) {
  const auto last_of = [this](int count, auto make) {
    std::string last;
    for (int i = 0; i < count && last.empty(); ++i) last = check(make(i));
    return last;
  };
  const auto publish = [](int i) { return tell::Publish{{1, "a.com", fmt::format("{:030}", i)}}; };
  EXPECT_EQ(last_of(10, publish), "");
  EXPECT_EQ(check(publish(10)), "more challenges than a name can need");
  EXPECT_EQ(check(tell::Retract{publish(0).response}), "");
  EXPECT_EQ(check(publish(0)), "more challenges than a name can need");
  EXPECT_EQ(claims_.published().size(), 9u);
  const auto save = [](int) { return tell::SaveOrders{{{1, "https://ca.test/order/1"}}}; };
  EXPECT_EQ(last_of(20, save), "");
  EXPECT_EQ(check(save(0)), "more orders than a certificate can need");
  const auto step = [](int) { return tell::Progress{1, acme::Step::ordering}; };
  EXPECT_EQ(last_of(100, step), "");
  EXPECT_EQ(check(step(0)), "more steps than a certificate can need");
}

// Not a year later because net says so, and no other certificate than the one that is replaced.
TEST_F(ClaimsTest, FaultS11_BelievesNoOutcomeFurtherThanItMust) {
  EXPECT_EQ(check(tell::Finished{{.id = 1,
                                  .chain = base::transient("no"),
                                  .retry_at = clock_.now() + std::chrono::days(400)}}),
            "");
  EXPECT_EQ(std::get<tell::Finished>(last_).outcome.retry_at, clock_.now() + std::chrono::days(1));
  EXPECT_EQ(check(tell::Finished{{.id = 2, .chain = "x", .replaces = "one.id"}}),
            "a certificate that was not to be replaced");
}

TEST_F(ClaimsTest, FaultA29_RefusesHostileTokens) {
  for (const std::string& token :
       {std::string("../../etc/cron.d/x"), std::string("a/b"), std::string(),
        std::string(10'000, 'a'), kToken + "\n", std::string(30, '\0')})
    EXPECT_EQ(check(tell::Publish{{1, "a.com", token}}), "a challenge with a hostile token");
}

TEST_F(ClaimsTest, FaultA30_MakesTextsSafeToShow) {
  EXPECT_EQ(
      check(tell::Finished{
          {.id = 1,
           .chain = base::rejected("\x1b[31m\r\n$(x)" + std::string(9999, 'y')),
           .problems = std::vector<acme::NameProblem>(1000, {"\x1b", std::string(9999, '\n')}),
           .problem_type = "\x1b"}}),
      "");
  const acme::Outcome& outcome = std::get<tell::Finished>(last_).outcome;
  EXPECT_TRUE(outcome.chain.error().message.starts_with("\\x1b[31m\\x0d\\x0a$(x)yyy"));
  EXPECT_LT(outcome.chain.error().message.size(), 2100u);
  EXPECT_EQ(outcome.problem_type, "\\x1b");
  EXPECT_EQ(outcome.problems.size(), 100u);
  EXPECT_EQ(outcome.problems[0].name, "\\x1b");
}

TEST_F(ClaimsTest, RefusesWhatIsOutOfTurn) {
  EXPECT_EQ(check(tell::Retract{{1, "a.com", kToken}}),
            "a challenge to retract that was not published");
  EXPECT_EQ(check(tell::Publish{{1, "a.com", kToken}}), "");
  EXPECT_EQ(check(tell::Publish{{1, "a.com", kToken}}), "a challenge that is published already");
  EXPECT_EQ(check(tell::Finished{{.id = 1}}), "");
  EXPECT_EQ(check(tell::Finished{{.id = 1}}),
            "something about a certificate that was not asked for");
  EXPECT_EQ(claims_.published().size(), 1u);
  EXPECT_EQ(check(tell::Ended{}), "");
  EXPECT_FALSE(claims_.complete());
  EXPECT_EQ(check(tell::Ended{}), "something after its end");
}

}  // namespace
}  // namespace everseal::privsep
