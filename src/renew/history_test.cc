#include "renew/history.h"

#include <gmock/gmock.h>

namespace everseal::renew {
namespace {

using std::chrono::days;
using std::chrono::hours;
using testing::IsEmpty;
using testing::SizeIs;

const Time kNow = *base::parse_rfc3339("2026-11-21T00:00:00Z");
constexpr const char* kServer = "https://acme-v02.api.letsencrypt.org/directory";

class History : public testing::Test {
 protected:
  History() {
    kept_.names = kept_.covered = {"a.com", "b.com"};
    kept_.window = {kNow, kNow + days(1), ""};
  }
  static acme::Outcome failure(std::vector<acme::NameProblem> problems) {
    acme::Outcome outcome;
    outcome.chain = base::rejected("it failed");
    outcome.problems = std::move(problems);
    return outcome;
  }
  void fail(std::vector<acme::NameProblem> problems) {
    enter_failure(kept_, {.names = {"a.com", "b.com"}}, failure(std::move(problems)), kNow);
  }
  Kept kept_;
};

TEST_F(History, SilenceOfTheCaTakesNoWindowBack) {
  enter_answer(kept_, {.window = base::transient("no route"), .ask_again = hours(6)}, kNow);
  EXPECT_TRUE(kept_.window);
  EXPECT_EQ(kept_.ask_at, kNow + hours(6));
  enter_answer(kept_, {.window = base::rejected("malformed"), .ask_again = hours(6)}, kNow);
  EXPECT_FALSE(kept_.window);
}

TEST_F(History, ANewVersionBeginsAnew) {
  fail({{"b.com", "404"}});
  enter_version(kept_, {.names = {"a.com"}, .not_before = kNow, .not_after = kNow + days(90)});
  EXPECT_EQ(kept_.setbacks.failures, 0);
  EXPECT_FALSE(kept_.window);
  EXPECT_THAT(kept_.failing, SizeIs(1)) << "b.com is still not well";
  enter_version(kept_, {.names = {"a.com", "b.com"}});
  EXPECT_THAT(kept_.failing, IsEmpty());
}

TEST_F(History, FailuresAreThoseOfTheNamesThatTheCaSpeaksOf) {
  fail({{"b.com", "404"}});
  fail({{"b.com", "403"}, {"other.com", "?"}});
  EXPECT_EQ(kept_.setbacks.failures, 2);
  ASSERT_THAT(kept_.failing, SizeIs(1));
  EXPECT_EQ(kept_.failing[0].setbacks.failures, 2);
  EXPECT_EQ(kept_.failing[0].words, "403");
  fail({{"a.com", "404"}});
  ASSERT_THAT(kept_.failing, SizeIs(1));
  EXPECT_EQ(kept_.failing[0].name, "a.com") << "b.com was found to be well";
  fail({});
  EXPECT_EQ(kept_.failing[0].setbacks.failures, 1) << "nobody was spoken of";
}

TEST_F(History, FailuresOfMissingNamesAreTheirOwn) {
  kept_.covered = {"a.com"};
  enter_failure(kept_, {.names = {"a.com", "b.com"}, .retries_names = true}, failure({}), kNow);
  EXPECT_EQ(kept_.setbacks.failures, 0);
  ASSERT_THAT(kept_.failing, SizeIs(1));
  EXPECT_EQ(kept_.failing[0].words, "it failed");
}

class Counting : public testing::Test {
 protected:
  void end(const acme::Outcome& outcome) { count(limits_, intent_, outcome, kNow); }
  std::size_t buckets() const { return limits_.buckets().size(); }

  const Intent intent_{.server = kServer, .names = {"a.com"}};
  LimitLedger limits_;
};

TEST_F(Counting, TakesWhatTheCaTook) {
  acme::Outcome outcome;
  outcome.chain = base::transient("no route");
  end(outcome);
  EXPECT_EQ(buckets(), 0u);
  outcome.problems = {{"a.com", "404"}};
  end(outcome);
  EXPECT_EQ(buckets(), 2u) << "an order and a failed validation";
  outcome.chain = "PEM";
  end(outcome);
  EXPECT_EQ(buckets(), 4u) << "and the certificate, of its names and its domain";
}

TEST_F(Counting, BelievesARefusal) {
  acme::Outcome outcome;
  outcome.chain = base::transient("rateLimited: too many new orders (300) from this account");
  outcome.problem_type = "rateLimited";
  outcome.retry_at = kNow + hours(2);
  end(outcome);
  EXPECT_EQ(limits_.delay({kServer, {"b.com"}}, kNow)->until, kNow + hours(2));
}

}  // namespace
}  // namespace everseal::renew
