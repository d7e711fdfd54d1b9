#include "http/message.h"

#include <gmock/gmock.h>

namespace everseal::http {
namespace {

using std::chrono::hours;
using testing::ElementsAre;

class RetryAfter : public testing::Test {
 protected:
  std::optional<base::Seconds> of(const std::string& value) {
    return retry_after({.status = 503, .headers = {{"retry-after", value}}, .body = ""}, now_);
  }
  Time now_ = *base::parse_rfc3339("2026-11-21T04:00:00Z");
};

TEST_F(RetryAfter, IsSecondsOrADate) {
  EXPECT_EQ(of("120"), base::Seconds(120));
  EXPECT_EQ(of("0"), base::Seconds(0));
  EXPECT_EQ(of("Sat, 21 Nov 2026 04:01:00 GMT"), base::Seconds(60));
}

TEST_F(RetryAfter, FaultA5_NonsenseIsNoAnswer) {
  for (const char* text : {"-5", "", "soon", "1.5", "Sat, 21 Nov 2026 03:59:00 GMT"}) {
    EXPECT_EQ(of(text), std::nullopt) << text;
  }
  EXPECT_EQ(retry_after({}, now_), std::nullopt);
}

TEST_F(RetryAfter, FaultA5_IsAtMostADay) {
  EXPECT_EQ(of("315360000"), hours(24));
  EXPECT_EQ(of("99999999999999999999999"), hours(24));
  EXPECT_EQ(of("Sat, 21 Nov 2036 04:00:00 GMT"), hours(24));
}

TEST(Links, AreFoundByRelation) {
  const Response response{
      .status = 200,
      .headers = {{"Link", "<https://ca/dir>;rel=\"index\", <https://ca/1>; rel=\"alternate\""},
                  {"link", "<https://ca/2>;REL=alternate"},
                  {"Link", "<broken"}},
      .body = ""};
  EXPECT_THAT(links(response, "alternate"), ElementsAre("https://ca/1", "https://ca/2"));
  EXPECT_THAT(links(response, "up"), ElementsAre());
}

TEST(HttpsOrigin, NamesHostAndPort) {
  EXPECT_EQ(*https_origin("https://CA.example/dir?x"), "https://ca.example:443");
  EXPECT_EQ(*https_origin("https://127.0.0.1:14000/dir"), "https://127.0.0.1:14000");
  EXPECT_EQ(*https_origin("https://[::1]:14000/dir"), "https://[::1]:14000");
  EXPECT_EQ(*https_origin("https://[::1]"), "https://[::1]:443");
}

TEST(HttpsOrigin, RefusesWhatCouldLeadElsewhere) {
  EXPECT_EQ(https_origin("http://ca/").error().message, "not an https URL: http://ca/");
  EXPECT_EQ(https_origin("https://user@ca/").error().message,
            "a URL with a bad host: https://user@ca/");
  EXPECT_EQ(https_origin("https://ca:0/").error().message, "a URL with a bad port: https://ca:0/");
  EXPECT_EQ(https_origin("https:///x").error().message, "a URL with a bad host: https:///x");
  EXPECT_EQ(https_origin("https://ca/\r\nx").error().message,
            "a URL with a byte that does not belong there: https://ca/\\x0d\\x0ax");
  EXPECT_FALSE(https_origin("https://ca/" + std::string(3000, 'x')));
}

}  // namespace
}  // namespace everseal::http
