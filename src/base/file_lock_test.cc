#include "base/file_lock.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace everseal::base {
namespace {

class FileLockTest : public testing::Test {
 protected:
  ~FileLockTest() override { std::filesystem::remove(path_); }

  void write(const std::string& text) const { std::ofstream(path_) << text; }
  std::string read() const {
    std::stringstream text;
    text << std::ifstream(path_).rdbuf();
    return text.str();
  }

  const std::string path_ =
      std::filesystem::temp_directory_path() / ("everseal-lock-" + std::to_string(::getpid()));
};

TEST_F(FileLockTest, IsHeldByOneAndSaysByWhom) {
  const auto first = FileLock::take(path_);
  ASSERT_TRUE(first && *first);
  const auto holder = lock_holder(path_);
  ASSERT_TRUE(holder);
  EXPECT_EQ(holder->process, ::getpid());
  EXPECT_LT(holder->held, Seconds(60));
  const auto second = FileLock::take(path_);
  ASSERT_TRUE(second);
  EXPECT_FALSE(*second);
  EXPECT_TRUE(lock_holder(path_)) << "who does not get it says nothing";
}

TEST_F(FileLockTest, IsFreeAfterwardsThoughTheProcessGoesOn) {
  static_cast<void>(FileLock::take(path_));
  EXPECT_FALSE(lock_holder(path_));
  EXPECT_EQ(read(), std::string(63, ' ') + '\n');
  const auto again = FileLock::take(path_);
  EXPECT_TRUE(again && *again);
}

TEST_F(FileLockTest, FaultS6_SaysForHowLong) {
  const auto held = FileLock::take(path_);
  std::stringstream words(read());
  std::int64_t process = 0, taken = 0, began = 0;
  words >> process >> taken >> began;
  std::ostringstream longer;
  longer << process << ' ' << taken - 7300 << ' ' << began;
  write(longer.str());
  ASSERT_TRUE(lock_holder(path_));
  EXPECT_GE(lock_holder(path_)->held, Seconds(7300));
}

TEST_F(FileLockTest, IsNotTakenOnWhatIsNoFileOfOursAlone) {
  write("precious");
  const std::string other = path_ + ".other";
  std::filesystem::create_hard_link(path_, other);
  const auto taken = FileLock::take(path_);
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().kind, ErrorKind::rejected);
  EXPECT_EQ(read(), "precious");
  std::filesystem::remove(other);
  EXPECT_TRUE(FileLock::take(path_));
}

TEST_F(FileLockTest, AProcessThatIsNoMoreHoldsNothing) {
  for (const std::string text : {"", "4194304999 1 1\n", "1 1 1\n", "x", "17\n"}) {
    write(text);
    EXPECT_FALSE(lock_holder(path_)) << text;
  }
  EXPECT_FALSE(lock_holder(path_ + ".none"));
}

}  // namespace
}  // namespace everseal::base
