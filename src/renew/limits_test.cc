#include "renew/limits.h"

#include <gtest/gtest.h>

namespace everseal::renew {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;

const Time kNow = *base::parse_rfc3339("2026-11-21T00:00:00Z");
constexpr const char* kServer = "https://acme-v02.api.letsencrypt.org/directory";

Intent intent(std::vector<std::string> names, OrderKind kind = OrderKind::first) {
  return {.server = kServer, .names = std::move(names), .kind = kind};
}

class LimitLedgerTest : public testing::Test {
 protected:
  void issue(const Intent& what, int times = 1) {
    for (int i = 0; i < times; i++) ledger_.reserve(what, kNow);
  }
  // Empty if it may be ordered.
  std::string why(const Intent& what, Time now = kNow) const {
    const auto delay = ledger_.delay(what, now);
    return delay ? delay->why + " until " + base::to_rfc3339(delay->until) : "";
  }
  LimitLedger ledger_;
};

TEST(KnownLimits, AreLetsEncrypts) {
  EXPECT_TRUE(known_limits(kServer));
  EXPECT_FALSE(known_limits("https://acme-staging-v02.api.letsencrypt.org/directory"));
  EXPECT_FALSE(known_limits("https://acme-v02.api.letsencrypt.org.evil.test/directory"));
  EXPECT_FALSE(known_limits("https://ca.test/directory"));
}

TEST_F(LimitLedgerTest, SaysWhatIsUsedAndUntilWhen) {
  issue(intent({"a.com", "b.com"}), 5);
  EXPECT_EQ(why(intent({"b.com", "a.com"})),
            "5 of 5 certificates for exactly these names in 7 days are used until "
            "2026-11-22T10:00:00Z");
  EXPECT_EQ(why(intent({"a.com"})), "");
  EXPECT_EQ(why(intent({"a.com", "b.com"}), kNow + hours(34)), "");
}

TEST_F(LimitLedgerTest, CountsCertificatesOfADomain) {
  for (int i = 0; i < 50; i++) issue(intent({"n" + std::to_string(i) + ".a.com"}));
  EXPECT_EQ(why(intent({"new.a.com", "b.com"})),
            "50 of 50 certificates for a.com in 7 days are used until 2026-11-21T03:22:00Z");
  EXPECT_EQ(why(intent({"n1.a.com"}, OrderKind::renewal)), "");
  EXPECT_EQ(why(intent({"b.com"})), "");
}

TEST_F(LimitLedgerTest, CountsOrdersOfTheAccount) {
  for (int i = 0; i < 300; i++) issue(intent({"n" + std::to_string(i) + ".com"}));
  EXPECT_EQ(why(intent({"new.com"})),
            "300 of 300 orders of this account in 3 hours are used until 2026-11-21T00:00:36Z");
  EXPECT_EQ(why(intent({"n1.com"}, OrderKind::renewal)), "");
  EXPECT_EQ(why({.server = "https://ca.test/dir", .names = {"new.com"}}), "");
}

TEST_F(LimitLedgerTest, SaysWhatAnOrderWouldBe) {
  issue(intent({"a.com"}), 4);
  const auto uses = ledger_.uses(intent({"a.com"}), kNow);
  ASSERT_EQ(uses.size(), 3u);
  EXPECT_EQ(uses[0].what, "certificates for exactly these names");
  EXPECT_EQ(uses[0].order, 5);
  EXPECT_EQ(uses[0].of, 5);
  EXPECT_EQ(uses[0].span, 5 * hours(34));
  EXPECT_EQ(uses[1].what, "certificates for a.com");
  EXPECT_EQ(uses[1].order, 5);
  EXPECT_EQ(ledger_.uses(intent({"a.com"}, OrderKind::renewal), kNow).size(), 1u);
  EXPECT_TRUE(ledger_.uses(intent({"a.com"}, OrderKind::replacement), kNow).empty());
  EXPECT_TRUE(ledger_.uses({.server = "https://ca.test/", .names = {"a.com"}}, kNow).empty());
}

TEST_F(LimitLedgerTest, CountsNothingOfReplacements) {
  issue(intent({"a.com"}, OrderKind::replacement), 400);
  EXPECT_TRUE(ledger_.buckets().empty());
  issue(intent({"a.com"}), 5);
  EXPECT_EQ(why(intent({"a.com"}, OrderKind::replacement)), "");
}

TEST_F(LimitLedgerTest, CountsFailedValidations) {
  for (int i = 0; i < 5; i++) ledger_.failed(kServer, "a.com", kNow);
  EXPECT_EQ(why(intent({"a.com", "b.com"}, OrderKind::replacement)),
            "5 of 5 failed validations of a.com in 1 hour are used until 2026-11-21T00:12:00Z");
}

TEST_F(LimitLedgerTest, BelievesTheCaThatSaysMore) {
  const auto until = kNow + hours(5);
  ledger_.refused(intent({"a.b.com"}), until,
                  "too many certificates (50) already issued for \"b.com\" in the last 168h");
  EXPECT_EQ(why(intent({"new.b.com"})),
            "50 of 50 certificates for b.com in 7 days are used until 2026-11-21T05:00:00Z");
  EXPECT_EQ(why(intent({"a.b.com"}, OrderKind::renewal)), "");
  ledger_.refused(intent({"c.com"}), until, "too many new orders (300) from this account");
  EXPECT_EQ(why(intent({"d.com"})),
            "300 of 300 orders of this account in 3 hours are used until 2026-11-21T05:00:00Z");
  ledger_.refused(intent({"e.com"}, OrderKind::renewal), until, "slow down");
  EXPECT_EQ(why(intent({"e.com"}, OrderKind::renewal)),
            "5 of 5 certificates for exactly these names in 7 days are used until "
            "2026-11-21T05:00:00Z");
  EXPECT_EQ(why(intent({"e.com"}, OrderKind::renewal), until), "");
}

TEST_F(LimitLedgerTest, IsKept) {
  issue(intent({"a.com"}), 5);
  const auto changed = ledger_.take_changed();
  EXPECT_EQ(changed, ledger_.buckets());
  EXPECT_TRUE(ledger_.take_changed().empty());
  ledger_ = LimitLedger(ledger_.buckets());
  EXPECT_NE(why(intent({"a.com"})), "");
}

// What was counted by a clock that was a year ahead holds nothing up for a year.
TEST_F(LimitLedgerTest, OutlivesAClockThatWasAhead) {
  for (int i = 0; i < 5; i++) ledger_.reserve(intent({"a.com"}), kNow + days(365));
  const auto delay = ledger_.delay(intent({"a.com"}), kNow);
  ASSERT_TRUE(delay);
  EXPECT_LE(delay->until, kNow + days(3));
}

TEST_F(LimitLedgerTest, KeepsToWhatIsSet) {
  ledger_.set_limits("https://ca.test/dir", Limits{.certificates_per_names = {1, minutes(10)}});
  const Intent what{.server = "https://ca.test/dir", .names = {"a.com"}};
  issue(what);
  EXPECT_EQ(why(what),
            "1 of 1 certificates for exactly these names in 10 minutes are used until "
            "2026-11-21T00:10:00Z");
  ledger_.set_limits(kServer, std::nullopt);
  issue(intent({"a.com"}), 10);
  EXPECT_EQ(why(intent({"a.com"})), "");
}

TEST(Limits, AreReadAsTheyAreWritten) {
  const auto limit = *parse_limit("300/3h");
  EXPECT_EQ(limit.burst, 300);
  EXPECT_EQ(limit.refill, std::chrono::seconds(36));
  EXPECT_EQ(parse_limit("5/7d")->refill, std::chrono::minutes(2016));
  for (const char* text : {"", "300", "300/", "300/h", "0/3h", "-1/3h", "5/0h", "5/3 h", "5/3y",
                           "9999999999999999999999/3h", "5/9999999d"})
    EXPECT_FALSE(parse_limit(text)) << text;
  EXPECT_EQ(parse_limit("many").error().message, "not a limit: many; for example \"300/3h\"");
}

}  // namespace
}  // namespace everseal::renew
