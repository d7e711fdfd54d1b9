#include "renew/plan.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>

namespace everseal::renew {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const Time kNow = *base::parse_rfc3339("2026-11-21T00:00:00Z");
constexpr const char* kServer = "https://acme-v02.api.letsencrypt.org/directory";

// Issued so long ago for 90 days; the CA has nothing to say for a day.
Kept kept(base::Seconds age, std::vector<std::string> names = {"a.com"}) {
  return {.id = 1,
          .server = kServer,
          .names = names,
          .covered = names,
          .not_before = kNow - age,
          .not_after = kNow - age + days(90),
          .draw = 0.5,
          .ask_at = kNow + days(1)};
}

Setbacks setbacks(int failures, base::Seconds since = {}) {
  return {.failures = failures, .first = kNow - since, .last = kNow};
}

std::string describe(const Action& action) {
  switch (action.what) {
    case Do::install:
      return "install: " + action.why;
    case Do::ask:
      return "ask: " + action.why;
    case Do::order:
      return fmt::format("order {}: {}", fmt::join(action.names, " "), action.why);
    case Do::nothing:
      return fmt::format("nothing until {}: {}", base::to_rfc3339(action.at), action.why);
  }
  return "";
}

std::string decided(const Kept& what, Time now = kNow, PlanOptions options = {}) {
  return describe(decide(what, now, options));
}

TEST(Decide, RenewsWhenAThirdOfTheLifeIsLeft) {
  EXPECT_EQ(decided(kept(days(60))),
            "order a.com: a third of its 90 days is left from then on; the CA suggests no time");
  EXPECT_EQ(decided(kept(days(60) - minutes(1))),
            "nothing until 2026-11-21T00:01:00Z: a third of its 90 days is left from then on; the "
            "CA suggests no time");
}

TEST(Decide, RenewsAtTheMomentThatWasDrawnInTheWindow) {
  Kept one = kept(days(10));
  one.window = {kNow - hours(1), kNow + hours(1), ""};
  EXPECT_EQ(decided(one),
            "order a.com: the CA suggests from 2026-11-20T23:00:00Z to 2026-11-21T01:00:00Z, of "
            "which 2026-11-21T00:00:00Z was drawn");
  EXPECT_EQ(decide(one, kNow).kind, OrderKind::replacement);
  one.draw = 0.75;
  EXPECT_THAT(decided(one), HasSubstr("nothing until 2026-11-21T00:30:00Z: the CA suggests"));
}

TEST(Decide, RenewsAtOnceInAnIncident) {
  Kept one = kept(days(10));
  one.window = {kNow - hours(2), kNow - hours(1), "https://ca.test/incident"};
  EXPECT_EQ(decided(one),
            "order a.com: the CA wanted it renewed before 2026-11-20T23:00:00Z "
            "(https://ca.test/incident)");
  EXPECT_EQ(decide(one, kNow).kind, OrderKind::renewal);
  one = kept(days(10));
  one.revoked = true;
  EXPECT_EQ(decided(one), "order a.com: it was revoked");
}

TEST(Decide, OrdersWhatHasNoCertificate) {
  Kept one = kept(days(0));
  one.covered = {};
  EXPECT_EQ(decided(one), "order a.com: there is no certificate yet");
  EXPECT_EQ(decide(one, kNow).kind, OrderKind::first);
}

TEST(Decide, AsksTheCaAsSoonAsItMayBeAsked) {
  Kept one = kept(days(70));
  one.ask_at = kNow;
  EXPECT_EQ(decided(one), "ask: the CA may know when to renew it");
  one.ask_at = kNow + hours(6);
  one.not_before = kNow;
  one.not_after = kNow + days(90);
  EXPECT_THAT(decided(one), HasSubstr("nothing until 2026-11-21T06:00:00Z"));
  one.ask_at = kNow + days(1000);
  EXPECT_THAT(decided(one), HasSubstr("ask:")) << "a clock that was ahead has noted that";
  one = kept(days(100));
  one.ask_at = kNow - hours(1);
  EXPECT_THAT(decided(one), HasSubstr("order a.com")) << "not about what has expired";
}

// RFC 9773 §4.2, step 5.
TEST(Decide, DoesNowWhatComesDueBeforeTheNextLook) {
  Kept one = kept(days(10));
  one.window = {kNow + hours(1), kNow + hours(4), ""};
  EXPECT_THAT(decided(one), HasSubstr("nothing"));
  EXPECT_THAT(decided(one, kNow, {.until_next_look = hours(12)}), HasSubstr("order a.com"));
  EXPECT_THAT(decided(one, kNow, {.until_next_look = hours(2)}), HasSubstr("nothing"));
}

TEST(Decide, WaitsAfterAFailureAndSaysSo) {
  Kept one = kept(days(61));
  one.setbacks = setbacks(2, minutes(1));
  EXPECT_EQ(decided(one),
            "nothing until 2026-11-21T00:10:00Z: a third of its 90 days is left from then on; the "
            "CA suggests no time; 2 in a row failed, the last at 2026-11-21T00:00:00Z");
  EXPECT_THAT(decided(one, kNow + minutes(10)), HasSubstr("order a.com"));
}

// The clock was ahead by years for one turn, in which all certificates seemed to have expired.
TEST(Decide, WaitsForNoFailureThatIsStillToCome) {
  Kept one = kept(days(61));
  one.setbacks = {.failures = 1,
                  .first = kNow + days(1000),
                  .last = kNow + days(1000),
                  .not_before = kNow + days(1001)};
  EXPECT_EQ(decided(one),
            "order a.com: a third of its 90 days is left from then on; the CA suggests no time");
  EXPECT_EQ(decided(one, kNow + days(1000)),
            "nothing until 2029-08-18T00:00:00Z: a third of its 90 days is left from then on; the "
            "CA suggests no time; 1 in a row failed, the last at 2029-08-17T00:00:00Z");
}

TEST(Decide, DoesWhatAPersonAsksFor) {
  Kept one = kept(days(1));
  one.setbacks = setbacks(9);
  EXPECT_EQ(decided(one, kNow, {.urgency = Urgency::now}), "order a.com: it was asked for");
}

TEST(Decide, FinishesWhatAnEarlierRunBegan) {
  Kept one = kept(days(1));
  one.progress = Progress::ready;
  EXPECT_EQ(decided(one), "install: it was issued by an earlier run");
  one.progress = Progress::ordered;
  EXPECT_EQ(decided(one), "order a.com: an order may be under way");
}

TEST(Decide, LeavesAloneWhatNobodyServes) {
  Kept one = kept(days(80));
  one.is_used = false;
  EXPECT_THAT(decided(one), HasSubstr("nothing refers to it any more"));
}

// ---- Names that fail

Kept failing(base::Seconds age, std::vector<std::string> dead) {
  Kept one = kept(age, {"a.com", "b.com", "c.com"});
  one.setbacks = setbacks(5, days(1));
  one.setbacks.last = kNow - days(2);
  for (const std::string& name : dead)
    one.failing.push_back({name, setbacks(3, days(1)), "unauthorized: 404"});
  return one;
}

TEST(Shrink, LeavesOutWhatFailsWhenTheEndIsNear) {
  EXPECT_EQ(shrink(failing(days(79), {"b.com"}), kNow), std::nullopt);
  EXPECT_THAT(*shrink(failing(days(80), {"b.com"}), kNow), ElementsAre("a.com", "c.com"));
  const Action action = decide(failing(days(80), {"b.com"}), kNow);
  EXPECT_THAT(action.left_out, ElementsAre("b.com"));
  EXPECT_EQ(
      describe(action),
      "order a.com c.com: a third of its 90 days is left from then on; the CA suggests no "
      "time; 5 in a row failed, the last at 2026-11-19T00:00:00Z; without b.com, which fails");
  EXPECT_EQ(action.kind, OrderKind::first) << "other names are another certificate to the CA";
}

TEST(Shrink, NeverLeavesNothing) {
  EXPECT_EQ(shrink(failing(days(85), {"a.com", "b.com", "c.com"}), kNow), std::nullopt);
  Kept only = kept(days(85));
  only.setbacks = setbacks(9, days(9));
  only.failing = {{"a.com", setbacks(9, days(9)), "no"}};
  EXPECT_EQ(shrink(only, kNow), std::nullopt);
}

TEST(Shrink, NeedsThreeFailuresOfTheName) {
  Kept one = failing(days(85), {"b.com"});
  one.failing[0].setbacks.failures = 2;
  EXPECT_EQ(shrink(one, kNow), std::nullopt);
}

// As after a renewal without b.com.
Kept without_b() {
  Kept one = failing(days(1), {"b.com"});
  one.covered = {"a.com", "c.com"};
  one.setbacks = {};
  return one;
}

TEST(MissingName, IsTriedByItsOwnBackOff) {
  EXPECT_EQ(decided(without_b()),
            "nothing until 2026-11-21T01:40:00Z: b.com is missing, for: unauthorized: 404");
  const Action action = decide(without_b(), kNow + minutes(100));
  EXPECT_EQ(describe(action), "order a.com b.com c.com: b.com is missing, for: unauthorized: 404");
  EXPECT_TRUE(action.retries_names);
}

TEST(MissingName, WaitsForNoFailureThatIsStillToCome) {
  Kept one = without_b();
  one.failing[0].setbacks.last = kNow + days(1000);
  EXPECT_EQ(decided(one), "order a.com b.com c.com: b.com is missing, for: unauthorized: 404");
}

TEST(MissingName, HoldsUpNoOther) {
  Kept one = without_b();
  one.covered = {"a.com"};
  const Action action = decide(one, kNow);
  EXPECT_EQ(describe(action), "order a.com c.com: c.com is missing; without b.com, which fails");
}

TEST(MissingName, IsNotInTheRenewalOfTheRest) {
  Kept one = without_b();
  one.not_before = kNow - days(61);
  one.not_after = kNow + days(29);
  const Action action = decide(one, kNow);
  EXPECT_THAT(action.names, ElementsAre("a.com", "c.com"));
  EXPECT_THAT(action.left_out, ElementsAre("b.com"));
  EXPECT_FALSE(action.retries_names);
  EXPECT_EQ(action.kind, OrderKind::renewal);
}

TEST(MissingName, ThatIsNewIsOrderedAtOnce) {
  Kept one = kept(days(1));
  one.names = {"a.com", "new.com"};
  EXPECT_EQ(decided(one), "order a.com new.com: new.com is missing");
}

// ---- All of them

std::vector<std::string> described(const Plan& plan) {
  std::vector<std::string> all;
  for (const Action& each : plan.actions)
    all.push_back(fmt::format("{} {}", each.id, describe(each)));
  return all;
}

TEST(Plan, ServesFirstWhatEndsFirstInsideTheLimits) {
  std::vector<Kept> inventory;
  LimitLedger limits;
  for (int i = 0; i < 49; i++)
    limits.reserve({kServer, {fmt::format("n{}.a.com", i)}, OrderKind::first}, kNow);
  for (std::int64_t i = 0; i < 3; i++) {
    Kept& one = inventory.emplace_back(kept(days(60 + i), {fmt::format("new{}.a.com", i)}));
    one.id = i;
    if (i < 2) one.covered = {};
  }
  inventory[2].covered = {"old.a.com"};
  const Plan all = plan(inventory, {.now = kNow}, limits);
  EXPECT_THAT(
      described(all),
      ElementsAre(
          HasSubstr("2 order new2.a.com"),
          "0 nothing until 2026-11-21T03:22:00Z: there is no certificate yet; waits, because "
          "50 of 50 certificates for a.com in 7 days are used",
          HasSubstr("1 nothing until 2026-11-21T06:44:00Z")));
}

TEST(Plan, DoesNotCountAnOrderTwice) {
  Kept one = kept(days(60));
  one.progress = Progress::ordered;
  LimitLedger limits;
  for (int i = 0; i < 5; i++) limits.reserve({kServer, {"a.com"}, OrderKind::first}, kNow);
  EXPECT_THAT(described(plan({&one, 1}, {.now = kNow}, limits)),
              ElementsAre(HasSubstr("order a.com")));
}

TEST(Plan, SaysWhenToPlanAgain) {
  std::vector<Kept> inventory = {kept(days(1)), kept(days(50))};
  inventory[0].ask_at = inventory[1].ask_at = Time::max();
  EXPECT_EQ(plan(inventory, {.now = kNow}, LimitLedger()).next, kNow + days(10));
  EXPECT_EQ(plan({}, {.now = kNow}, LimitLedger()).next, Time::max());
}

TEST(Plan, OrdersNothingByAClockThatIsBehind) {
  std::vector<Kept> inventory = {kept(days(60)), kept(days(61))};
  const Plan all = plan(inventory, {.now = kNow, .expected = kNow + days(2)}, LimitLedger());
  EXPECT_EQ(all.doubt,
            "the clock says 2026-11-21T00:00:00Z, but it should be 2026-11-23T00:00:00Z");
  EXPECT_THAT(described(all), testing::Each(HasSubstr("nothing until 2026-11-21T01:00:00Z")));
}

TEST(Plan, OrdersNothingByAClockThatJumpedAhead) {
  const Kept one = kept(days(61));
  EXPECT_EQ(plan({&one, 1}, {.now = kNow, .expected = kNow - days(40)}, LimitLedger()).doubt,
            "the clock says 2026-11-21T00:00:00Z, but it should be 2026-10-12T00:00:00Z");
}

TEST(Plan, BelievesAClockThatAnotherConfirms) {
  const Kept one = kept(days(61));
  const Plan all = plan({&one, 1}, {.now = kNow, .expected = kNow - days(1)}, LimitLedger());
  EXPECT_EQ(all.doubt, "");
  EXPECT_THAT(described(all), ElementsAre(HasSubstr("order a.com")));
}

}  // namespace
}  // namespace everseal::renew
