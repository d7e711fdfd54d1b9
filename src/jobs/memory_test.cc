#include "jobs/memory.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace everseal::jobs {
namespace {

namespace fs = std::filesystem;

constexpr Time kNow{base::Seconds(1'795'000'000)};

Memory memory(Time at = kNow) {
  return {.at = at,
          .problem = "open /x: No space left on device",
          .incidents = {{"renew", "everseal renew failed", kNow, kNow, false}},
          .is_whole = true};
}

class MemoryTest : public testing::Test {
 protected:
  MemoryTest() {
    fs::create_directory(state_);
    ::chmod(state_.c_str(), 0700);
  }
  ~MemoryTest() override {
    places_.forget();
    fs::remove_all(state_);
  }

  const fs::path state_ =
      fs::temp_directory_path() / ("everseal-memory-" + std::to_string(::getpid()));
  const MemoryPlaces places_{state_, ::geteuid()};
};

TEST_F(MemoryTest, IsInTheStateDirectoryWhereItCanBe) {
  EXPECT_FALSE(places_.read());
  ASSERT_TRUE(places_.save(memory()));
  struct stat status{};
  ASSERT_EQ(::stat((state_ / "memory.json").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  const auto found = places_.read();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->problem, memory().problem);
  EXPECT_EQ(found->incidents, memory().incidents);
  EXPECT_TRUE(found->is_whole);
  places_.forget();
  EXPECT_FALSE(places_.read());
}

TEST_F(MemoryTest, FaultD3_IsElsewhereWhereTheStateDirectoryIsNot) {
  fs::remove_all(state_);
  ASSERT_TRUE(places_.save(memory()));
  EXPECT_FALSE(fs::exists(state_));
  ASSERT_TRUE(places_.read());
  EXPECT_EQ(places_.read()->problem, memory().problem);
  EXPECT_FALSE(MemoryPlaces(state_.string() + "2", ::geteuid()).read()) << "each state has its own";
}

TEST_F(MemoryTest, TheLastOneCounts) {
  ASSERT_TRUE(places_.save(memory()));
  fs::permissions(state_, fs::perms(0777));  // whoever could write there could make it up
  ASSERT_TRUE(places_.save(memory(kNow + base::Seconds(9))));
  fs::permissions(state_, fs::perms(0700));
  EXPECT_EQ(places_.read()->at, kNow + base::Seconds(9));
}

TEST_F(MemoryTest, FaultS1_NoLinkIsFollowedAndNothingStrangeIsRead) {
  const fs::path file = state_ / "memory.json", elsewhere = state_ / "elsewhere";
  std::ofstream(elsewhere) << to_json(memory());
  fs::create_symlink(elsewhere, file);
  EXPECT_FALSE(places_.read());
  ASSERT_TRUE(places_.save(memory(kNow + base::Seconds(1))));
  EXPECT_TRUE(fs::is_regular_file(fs::symlink_status(file)));
  EXPECT_EQ(places_.read()->at, kNow + base::Seconds(1));
  fs::remove(file);
  ASSERT_EQ(::mkfifo(file.c_str(), 0600), 0);
  EXPECT_FALSE(places_.read());
}

TEST_F(MemoryTest, OneTellsAtATime) {
  auto turn = places_.take_turn().value();
  ASSERT_TRUE(turn);
  EXPECT_EQ(places_.take_turn().value(), std::nullopt);
  turn.reset();
  EXPECT_NE(places_.take_turn().value(), std::nullopt);
}

TEST(Memory, IsNoneWhereTheTextIsNot) {
  EXPECT_TRUE(parse_memory(to_json(memory())));
  const std::string whole = to_json(memory());
  for (std::size_t size = 0; size + 2 < whole.size(); ++size)
    EXPECT_FALSE(parse_memory(whole.substr(0, size))) << size;
  for (const char* const text : {"[]", "null", R"({"at": "x"})", "{\"at\": 1, \"problem\": 2}"})
    EXPECT_FALSE(parse_memory(text)) << text;
}

}  // namespace
}  // namespace everseal::jobs
