#include "renew/schedule.h"

#include <gtest/gtest.h>

#include "renew/words.h"

namespace everseal::renew {
namespace {

using base::Seconds;
using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;

const Time kNow = *base::parse_rfc3339("2026-11-21T00:00:00Z");

TEST(RenewalTime, IsAThirdOfTheLifeBeforeItsEnd) {
  EXPECT_EQ(renewal_time(kNow, kNow + days(90)), kNow + days(60));
  EXPECT_EQ(renewal_time(kNow, kNow + days(45)), kNow + days(30));
  EXPECT_EQ(renewal_time(kNow, kNow + hours(160)), kNow + hours(80));
}

TEST(MomentIn, IsWhereTheDrawSays) {
  const acme::RenewalWindow window{kNow + days(59), kNow + days(61), ""};
  EXPECT_EQ(moment_in(window, 0, kNow, kNow + days(90)), kNow + days(59));
  EXPECT_EQ(moment_in(window, 0.5, kNow, kNow + days(90)), kNow + days(60));
  EXPECT_LT(moment_in(window, 0.999999, kNow, kNow + days(90)), kNow + days(61));
}

TEST(MomentIn, LeavesASixthOfTheLifeWhateverTheCaSays) {
  const acme::RenewalWindow window{kNow + days(89), kNow + days(500), ""};
  EXPECT_EQ(moment_in(window, 0.9, kNow, kNow + days(90)), kNow + days(75));
}

TEST(Backoff, GrowsToADay) {
  EXPECT_EQ(backoff(1), minutes(1));
  EXPECT_EQ(backoff(2), minutes(10));
  EXPECT_EQ(backoff(3), minutes(100));
  EXPECT_EQ(backoff(4), days(1));
  EXPECT_EQ(backoff(400), days(1));
}

// After so many failures, the last of them now, the first so long ago.
Seconds delay(int failures, Seconds since, Time not_after, Draw draw = 0.5) {
  return next_attempt({.failures = failures, .first = kNow - since, .last = kNow}, not_after,
                      draw) -
         kNow;
}

TEST(NextAttempt, IsAtOnceWithoutAFailure) {
  EXPECT_EQ(next_attempt({}, kNow, 0.5), Time());
  EXPECT_EQ(next_attempt({.not_before = kNow}, kNow, 0.5), kNow);
}

TEST(NextAttempt, FollowsTheBackoffAndThenTheDayMoreOrLess) {
  const Time far = kNow + days(300);
  EXPECT_EQ(delay(1, Seconds(0), far), minutes(1));
  EXPECT_EQ(delay(3, hours(2), far), minutes(100));
  for (int failures = 4; failures < 20; failures++) {
    EXPECT_GE(delay(failures, days(3), far), minutes(24 * 54));
    EXPECT_LE(delay(failures, days(3), far), minutes(24 * 66));
  }
  EXPECT_NE(delay(4, days(3), far), delay(5, days(3), far));
  EXPECT_NE(delay(4, days(3), far, 0.1), delay(4, days(3), far, 0.2));
}

TEST(NextAttempt, IsWeeklyForNamesThatLookDead) {
  EXPECT_GE(delay(40, days(30), kNow - days(1)), days(6));
  EXPECT_LE(delay(40, days(30), kNow - days(1)), days(8));
  EXPECT_LE(delay(40, days(29), kNow - days(1)), days(2));
}

TEST(NextAttempt, ComesMoreOftenWhenTheEndIsNear) {
  EXPECT_GE(delay(5, days(2), kNow + hours(80)), hours(8));
  EXPECT_LE(delay(5, days(2), kNow + hours(80)), hours(10));
  EXPECT_NE(delay(5, days(2), kNow + hours(80), 0.1), delay(5, days(2), kNow + hours(80), 0.2));
  EXPECT_EQ(delay(5, days(2), kNow + hours(10)), minutes(100));
  EXPECT_GE(delay(5, days(2), kNow - hours(10)), hours(21));
}

TEST(NextAttempt, WaitsAsLongAsTheCaAsks) {
  const Setbacks setbacks{
      .failures = 1, .first = kNow, .last = kNow, .not_before = kNow + hours(3)};
  EXPECT_EQ(next_attempt(setbacks, kNow + days(90), 0.5), kNow + hours(3));
}

TEST(InWords, TakesTheLargestUnitOfWhichThereAreTwo) {
  EXPECT_EQ(in_words(hours(160)), "6 days");
  EXPECT_EQ(in_words(hours(26)), "26 hours");
  EXPECT_EQ(in_words(hours(24)), "1 day");
  EXPECT_EQ(in_words(minutes(100)), "100 minutes");
  EXPECT_EQ(in_words(Seconds(1)), "1 second");
  EXPECT_EQ(in_words(Seconds(0)), "no time");
}

}  // namespace
}  // namespace everseal::renew
