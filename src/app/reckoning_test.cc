#include "app/reckoning.h"

#include <gtest/gtest.h>

namespace everseal::app {
namespace {

using base::Seconds;
using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;

constexpr Time kStart(Seconds(1'795'000'000));

// A machine that was started ten hours ago, and whoever sets its clock.
class ReckoningTest : public testing::Test {
 protected:
  void pass(Seconds time) {
    reading_.now += time;
    reading_.since_boot += time;
  }
  void set_clock(Seconds by) { reading_.now += by; }
  // How far off the clock seems to be.
  Seconds off() { return reading_.now - reckoning_.expected(reading_); }

  ClockReading reading_{.now = kStart, .since_boot = hours(10)};
  Reckoning reckoning_{reading_};
};

TEST_F(ReckoningTest, GoesOnWithAClockThatNobodySets) {
  for (const Seconds time : {Seconds(1), Seconds(hours(1)), Seconds(days(400))}) {
    pass(time);
    EXPECT_EQ(off(), Seconds(0));
  }
}

TEST_F(ReckoningTest, DoubtsAClockThatWasSetForAnHour) {
  for (const Seconds step : {Seconds(days(1000)), Seconds(-days(1000))}) {
    set_clock(step);
    EXPECT_EQ(off(), step);
    pass(minutes(59));
    EXPECT_EQ(off(), step);
    pass(minutes(1));
    EXPECT_EQ(off(), Seconds(0));
  }
}

TEST_F(ReckoningTest, DoubtsNothingAfterASuspend) {
  pass(minutes(5));
  EXPECT_EQ(off(), Seconds(0));
  pass(days(30));
  EXPECT_EQ(off(), Seconds(0));
}

TEST_F(ReckoningTest, KnowsTheTimeAgainWhenTheClockIsPutRight) {
  set_clock(days(1000));
  EXPECT_EQ(off(), days(1000));
  pass(minutes(30));
  set_clock(-days(1000));
  EXPECT_EQ(off(), Seconds(0));
}

TEST_F(ReckoningTest, CountsTheHourFromTheLastTimeThatItWasSet) {
  set_clock(days(1000));
  EXPECT_EQ(off(), days(1000));
  pass(minutes(50));
  set_clock(days(500));
  EXPECT_EQ(off(), days(1500));
  pass(minutes(50));
  EXPECT_EQ(off(), days(1500));
  pass(minutes(10));
  EXPECT_EQ(off(), Seconds(0));
}

TEST_F(ReckoningTest, CountsTheHourThroughSmallSteps) {
  set_clock(days(1000));
  EXPECT_EQ(off(), days(1000));
  for (int step = 0; step < 6; step++) {
    pass(minutes(10));
    set_clock(Seconds(1));
  }
  EXPECT_EQ(off(), Seconds(0));
}

TEST_F(ReckoningTest, BelievesAnother) {
  set_clock(days(10));
  EXPECT_EQ(off(), days(10));
  reckoning_.learn(reading_, reading_.now + Seconds(2));
  EXPECT_EQ(off(), Seconds(-2));
  pass(minutes(10));
  EXPECT_EQ(off(), Seconds(-2));
}

TEST_F(ReckoningTest, BelievesAnotherThatAClockIsWrongSinceTheStart) {
  reckoning_.learn(reading_, reading_.now - days(40));
  pass(minutes(10));
  EXPECT_EQ(off(), days(40));
}

TEST(ReadClocks, ReadsThatOfTheMachineAndThatOfTheCaller) {
  const base::FakeClock clock(kStart);
  const ClockReading one = read_clocks(clock), other = read_clocks(clock);
  EXPECT_EQ(one.now, kStart);
  EXPECT_GT(one.since_boot, Seconds(0));
  EXPECT_LE(other.since_boot - one.since_boot, Seconds(1));
}

}  // namespace
}  // namespace everseal::app
