#include "jobs/chores.h"

#include <gtest/gtest.h>

namespace everseal::jobs {
namespace {

using std::chrono::minutes;

constexpr Time kNow{base::Seconds(1'800'000'000)};

TEST(Chores, AreTriedAgainWithTheDelaysOfRenewals) {
  store::ChoreRecord chore{.kind = kHook, .subject = "/h for a.example", .done_for = "f"};
  EXPECT_TRUE(may_be_tried(chore, kNow));
  Time now = kNow;
  for (const auto delay : {minutes(1), minutes(10), minutes(100)}) {
    enter_result(chore, base::rejected("no"), now);
    EXPECT_EQ(chore.next_attempt, now + delay);
    EXPECT_FALSE(may_be_tried(chore, now));
    now += delay;
    EXPECT_TRUE(may_be_tried(chore, now));
  }
  enter_result(chore, base::rejected("still no"), now);
  EXPECT_EQ(chore.failures, 4);
  EXPECT_EQ(chore.first_failure, kNow);
  EXPECT_EQ(chore.last_error, "still no");
  EXPECT_GT(chore.next_attempt, now + std::chrono::hours(20));
  enter_result(chore, {}, now);
  EXPECT_EQ(chore.failures, 0);
  EXPECT_EQ(chore.done_at, now);
  EXPECT_EQ(chore.done_for, "f");
  EXPECT_EQ(chore.last_error, "");
}

TEST(Chores, WaitForNoFailureThatIsStillToCome) {
  store::ChoreRecord chore{.kind = kHook, .subject = "/h for a.example"};
  enter_result(chore, base::rejected("no"), kNow + std::chrono::days(1000));
  EXPECT_TRUE(may_be_tried(chore, kNow));
}

}  // namespace
}  // namespace everseal::jobs
