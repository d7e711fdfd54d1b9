#include "nginx/hsts.h"

#include <gmock/gmock.h>

namespace everseal::nginx {
namespace {

using Kind = HstsWish::Kind;
using testing::Optional;

constexpr auto kNone = std::nullopt;

TEST(Hsts, ClimbsAStepAtATime) {
  const HstsWish begin{.kind = Kind::ramp}, step{.kind = Kind::ramp, .may_step = true};
  EXPECT_THAT(hsts_value(begin, kNone), Optional(std::string("max-age=300")));
  EXPECT_THAT(hsts_value(begin, "max-age=0"), Optional(std::string("max-age=300")));
  EXPECT_EQ(hsts_value(begin, "max-age=300"), kNone);
  EXPECT_THAT(hsts_value(step, "max-age=300"), Optional(std::string("max-age=5184000")));
  EXPECT_THAT(hsts_value(step, "max-age=5184000"), Optional(std::string("max-age=63072000")));
  EXPECT_EQ(hsts_value(step, "max-age=63072000"), kNone);
}

TEST(Hsts, LeavesWhatIsLongerOrAnothers) {
  EXPECT_EQ(hsts_value({.kind = Kind::ramp, .may_step = true}, "max-age=31536000"), kNone);
  EXPECT_EQ(hsts_value({.kind = Kind::fixed, .max_age = 300}, "max-age=31536000"), kNone);
  EXPECT_EQ(hsts_value({.kind = Kind::fixed, .max_age = 300}, "Max-Age=\"600\""), kNone);
  EXPECT_EQ(hsts_value({.kind = Kind::fixed, .max_age = 300}, "$hsts"), kNone);
  EXPECT_THAT(hsts_value({.kind = Kind::withdraw}, "max-age=31536000; includeSubDomains"),
              Optional(std::string("max-age=0")));
}

TEST(Hsts, AsksForMoreOnlyOnRequest) {
  HstsWish wish{.kind = Kind::fixed, .max_age = 63072000};
  EXPECT_THAT(hsts_value(wish, "max-age=300; includeSubDomains"),
              Optional(std::string("max-age=63072000; includeSubDomains")));
  wish.include_subdomains = true;
  EXPECT_THAT(hsts_value(wish, "max-age=63072000"),
              Optional(std::string("max-age=63072000; includeSubDomains")));
  wish.preload = true;
  EXPECT_THAT(hsts_value(wish, kNone),
              Optional(std::string("max-age=63072000; includeSubDomains; preload")));
  wish.max_age = 300;
  EXPECT_THAT(hsts_value(wish, kNone), Optional(std::string("max-age=300; includeSubDomains")));
}

}  // namespace
}  // namespace everseal::nginx
