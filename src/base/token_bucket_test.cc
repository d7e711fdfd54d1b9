#include "base/token_bucket.h"

#include <gtest/gtest.h>

#include "base/registered_domain.h"

namespace everseal::base {
namespace {

using std::chrono::seconds;

TEST(TokenBucket, EmptiesAndFillsAgain) {
  const Limit limit{3, seconds(10)};
  std::int64_t full_at = 0;
  for (int i = 0; i < 3; i++) {
    EXPECT_LE(TokenBucket::wait(full_at, limit, 100'000).count(), 0);
    EXPECT_EQ(TokenBucket::taken(full_at, limit, 100'000), i);
    full_at = TokenBucket::take(full_at, limit, 100'000);
  }
  EXPECT_EQ(TokenBucket::wait(full_at, limit, 100'000), seconds(10));
  EXPECT_EQ(TokenBucket::wait(full_at, limit, 104'000), seconds(6));
  EXPECT_EQ(TokenBucket::taken(full_at, limit, 104'000), 3);
  EXPECT_LE(TokenBucket::wait(full_at, limit, 110'000).count(), 0);
}

TEST(TokenBucket, IsEmptyAsLongAsItIsSaidToBe) {
  const Limit limit{3, seconds(10)};
  const std::int64_t full_at = TokenBucket::empty_until(500'000, limit);
  EXPECT_EQ(TokenBucket::wait(full_at, limit, 100'000), seconds(400));
  EXPECT_LE(TokenBucket::wait(full_at, limit, 500'000).count(), 0);
}

TEST(RegisteredDomain, IsWhatIsSold) {
  EXPECT_EQ(registered_domain("www.example.com"), "example.com");
  EXPECT_EQ(registered_domain("*.example.com"), "example.com");
  EXPECT_EQ(registered_domain("example.com"), "example.com");
  EXPECT_EQ(registered_domain("192.0.2.1"), "192.0.2.1");
  EXPECT_EQ(registered_domain("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
}

}  // namespace
}  // namespace everseal::base
