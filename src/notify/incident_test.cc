#include "notify/incident.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace everseal::notify {
namespace {

using std::chrono::hours;

constexpr Time kNow{base::Seconds(1'800'000'000)};

Trouble trouble(const std::string& key) { return {.key = key, .headline = key + " failed"}; }

// A run after the other, with what is remembered between them.
class Runs {
 public:
  enum class Mail { arrives, is_lost };

  // What a run says: "begun a, over b".
  std::string run(std::vector<Trouble> troubles, Time now, Mail mail = Mail::arrives,
                  Coverage coverage = Coverage::all) {
    Decision decision = decide(known_, troubles, coverage, now);
    known_ = mail == Mail::arrives ? decision.if_told : decision.if_nobody_was;
    std::string said;
    for (const News& news : decision.news)
      said +=
          fmt::format("{}{} {}", said.empty() ? "" : ", ", to_string(news.stage), news.trouble.key);
    return said;
  }

  const std::vector<Incident>& known() const { return known_; }

 private:
  std::vector<Incident> known_;
};

TEST(Incident, IsToldOnceThenDailyThenThatItIsOver) {
  Runs runs;
  EXPECT_EQ(runs.run({trouble("a")}, kNow), "begun a");
  for (int hour = 1; hour < 22; ++hour)
    EXPECT_EQ(runs.run({trouble("a")}, kNow + hours(hour)), "") << hour;
  EXPECT_EQ(runs.run({trouble("a")}, kNow + hours(24)), "lasting a");
  EXPECT_EQ(runs.run({trouble("a")}, kNow + hours(25)), "");
  EXPECT_EQ(runs.run({}, kNow + hours(26)), "over a");
  EXPECT_EQ(runs.run({}, kNow + hours(27)), "");
  EXPECT_EQ(runs.known().size(), 0u);
}

TEST(Incident, OfOneWordIsNeitherRepeatedNorTakenBack) {
  Runs runs;
  Trouble once = trouble("a");
  once.once = true;
  EXPECT_EQ(runs.run({once}, kNow, Runs::Mail::is_lost), "begun a");
  EXPECT_EQ(runs.run({once}, kNow + hours(1)), "begun a");
  EXPECT_EQ(runs.run({once}, kNow + hours(48)), "");
  EXPECT_EQ(runs.run({}, kNow + hours(49)), "");
  EXPECT_TRUE(runs.known().empty());
  EXPECT_EQ(runs.run({once}, kNow + hours(50)), "begun a") << "it came again";
}

TEST(Incident, IsQuietWhenNothingHappened) {
  Runs runs;
  EXPECT_EQ(runs.run({}, kNow), "");
}

TEST(Incident, IsNewsAgainUntilSomebodyHeardOfIt) {
  Runs runs;
  EXPECT_EQ(runs.run({trouble("a")}, kNow, Runs::Mail::is_lost), "begun a");
  EXPECT_EQ(runs.run({trouble("a")}, kNow + hours(1), Runs::Mail::is_lost), "begun a");
  EXPECT_EQ(runs.run({trouble("a")}, kNow + hours(2)), "begun a");
  EXPECT_EQ(runs.known().at(0).since, kNow);
  EXPECT_EQ(runs.run({}, kNow + hours(3), Runs::Mail::is_lost), "over a");
  EXPECT_EQ(runs.run({}, kNow + hours(4)), "over a");
  EXPECT_EQ(runs.run({}, kNow + hours(5)), "");
}

TEST(Incident, ThatNobodyHeardOfEndsWithoutAWord) {
  Runs runs;
  runs.run({trouble("a")}, kNow, Runs::Mail::is_lost);
  EXPECT_EQ(runs.run({}, kNow + hours(1)), "");
  EXPECT_EQ(runs.known().size(), 0u);
}

TEST(Incident, GoesOnWhereNotAllWasLookedAt) {
  Runs runs;
  runs.run({trouble("a")}, kNow);
  EXPECT_EQ(runs.run({trouble("b")}, kNow + hours(1), Runs::Mail::arrives, Coverage::part),
            "begun b");
  EXPECT_EQ(runs.run({}, kNow + hours(2)), "over b, over a");
}

TEST(Incident, TellsWhatBeganBeforeWhatLastsAndWhatIsOver) {
  Runs runs;
  runs.run({trouble("a"), trouble("b")}, kNow);
  EXPECT_EQ(runs.run({trouble("b"), trouble("c")}, kNow + hours(23)), "begun c, lasting b, over a");
}

TEST(Incident, IsToldThoughTheClockWasAheadWhenItWasToldLast) {
  Runs runs;
  runs.run({trouble("a")}, kNow + hours(9000));
  EXPECT_EQ(runs.run({trouble("a")}, kNow), "lasting a");
  EXPECT_EQ(runs.run({trouble("a")}, kNow + hours(1)), "");
}

}  // namespace
}  // namespace everseal::notify
