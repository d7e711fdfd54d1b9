#include "app/alarm.h"

#include <gtest/gtest.h>
#include <seccomp.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>

namespace everseal::app {
namespace {

using base::Milliseconds;
using base::Seconds;

constexpr Milliseconds kLong = std::chrono::minutes(10);

Time now() { return base::real_clock().now(); }

class AlarmTest : public testing::Test {
 protected:
  void SetUp() override { begin_ = std::chrono::steady_clock::now(); }
  bool took_long() const {
    return std::chrono::steady_clock::now() - begin_ > std::chrono::seconds(30);
  }

  Alarm alarm_ = *Alarm::make();
  Instant begin_;
};

TEST_F(AlarmTest, WakesAtTheMomentAndNotBefore) {
  const Time moment = now() + Seconds(1);
  EXPECT_EQ(alarm_.sleep(moment, kLong), Woken::at_the_moment);
  EXPECT_GE(now(), moment);
  EXPECT_FALSE(took_long());
}

TEST_F(AlarmTest, WakesAtOnceForAMomentOfThePast) {
  for (const Time moment : {now(), now() - std::chrono::days(1000), Time(), Time(Seconds(-5))})
    EXPECT_EQ(alarm_.sleep(moment, kLong), Woken::at_the_moment);
  EXPECT_FALSE(took_long());
}

TEST_F(AlarmTest, WakesWhenPatienceIsOver) {
  for (const Time moment : {now() + std::chrono::days(1), Time::max()})
    EXPECT_EQ(alarm_.sleep(moment, Milliseconds(20)), Woken::to_say_so);
}

TEST_F(AlarmTest, SleepsAnew) {
  EXPECT_EQ(alarm_.sleep(now(), kLong), Woken::at_the_moment);
  EXPECT_EQ(alarm_.sleep(now() + std::chrono::days(1), Milliseconds(20)), Woken::to_say_so);
  EXPECT_EQ(alarm_.sleep(now(), kLong), Woken::at_the_moment);
}

volatile sig_atomic_t caught = 0;

TEST_F(AlarmTest, WakesByASignalThatCameBefore) {
  struct sigaction act{}, before{};
  act.sa_handler = [](int) { caught = caught + 1; };
  sigaction(SIGHUP, &act, &before);
  alarm_.hold_signals();
  raise(SIGHUP);
  EXPECT_EQ(caught, 0);
  EXPECT_EQ(alarm_.sleep(now() + std::chrono::days(1), kLong), Woken::by_a_signal);
  EXPECT_EQ(caught, 1);
  raise(SIGHUP);
  EXPECT_EQ(caught, 1) << "held again";
  alarm_.let_signals();
  EXPECT_EQ(caught, 2);
  sigaction(SIGHUP, &before, nullptr);
}

// This process hears of one system call what it would hear after the clock was set.
void set_clock_by(int system_call) {
  const scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
  seccomp_rule_add(filter, SCMP_ACT_ERRNO(ECANCELED), system_call, 0);
  seccomp_load(filter);
}

using AlarmDeathTest = AlarmTest;

TEST_F(AlarmDeathTest, WakesWhenTheClockIsSet) {
  const auto woken_after = [this](int system_call, Time until) {
    set_clock_by(system_call);
    _exit(static_cast<int>(alarm_.sleep(until, kLong)));
  };
  const auto by_the_clock = testing::ExitedWithCode(static_cast<int>(Woken::by_the_clock));
  EXPECT_EXIT(woken_after(SCMP_SYS(read), now()), by_the_clock, "") << "while it sleeps";
  EXPECT_EXIT(woken_after(SCMP_SYS(timerfd_settime), now() + std::chrono::days(1)), by_the_clock,
              "")
      << "before";
}

}  // namespace
}  // namespace everseal::app
