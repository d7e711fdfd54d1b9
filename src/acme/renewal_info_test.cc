#include "acme/renewal_info.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "acme/fake_ca.h"

namespace everseal::acme {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

const Time kNow = *base::parse_rfc3339("2026-11-21T04:00:00Z");
constexpr const char* kGood =
    R"({"suggestedWindow":{"start":"2027-01-02T04:00:00Z","end":"2027-01-03T04:00:00Z"},)"
    R"("explanationURL":"https://ca.test/incident"})";

http::Response reply(int status, std::string body, std::string retry_after = "") {
  http::Response response{.status = status, .headers = {}, .body = std::move(body)};
  if (!retry_after.empty()) response.headers.push_back({"Retry-After", std::move(retry_after)});
  return response;
}

std::string describe(const RenewalInfo& info) {
  if (!info.window) return info.window.error().message;
  return fmt::format("{} to {} {}", base::to_rfc3339(info.window->start),
                     base::to_rfc3339(info.window->end), info.window->explanation);
}

std::string window(const char* start, const char* end) {
  return fmt::format(R"({{"suggestedWindow":{{"start":"{}","end":"{}"}}}})", start, end);
}

TEST(RenewalInfo, IsAWindowAndATimeToAskAgain) {
  const RenewalInfo info = read_renewal_info(reply(200, kGood, "21600"), kNow);
  EXPECT_EQ(describe(info),
            "2027-01-02T04:00:00Z to 2027-01-03T04:00:00Z https://ca.test/incident");
  EXPECT_EQ(info.ask_again, base::Seconds(21600));
}

TEST(RenewalInfo, TimesToAskAgainAreWithinReason) {
  const auto again = [](const char* retry_after) {
    return read_renewal_info(reply(200, kGood, retry_after), kNow).ask_again;
  };
  EXPECT_EQ(again("0"), base::Seconds(60));
  EXPECT_EQ(again("99999999999"), base::Seconds(86400));
  EXPECT_EQ(again(""), base::Seconds(6 * 3600));
  EXPECT_EQ(again("soon"), base::Seconds(6 * 3600));
  EXPECT_EQ(again("Sat, 21 Nov 2026 05:00:00 GMT"), base::Seconds(3600));
}

TEST(RenewalInfo, ThatMakesNoSenseIsNone) {
  const auto why = [](const std::string& body) {
    const RenewalInfo info = read_renewal_info(reply(200, body), kNow);
    EXPECT_EQ(info.window.error().kind, ErrorKind::rejected);
    return describe(info);
  };
  EXPECT_EQ(why(""), "the CA's renewal information is not a JSON object");
  EXPECT_EQ(why("{}"), "the CA's renewal information has a bad \"start\"");
  EXPECT_EQ(why(window("2027-01-03T04:00:00Z", "2027-01-02T04:00:00Z")),
            "the CA's renewal information has a bad \"suggestedWindow\"");
  EXPECT_EQ(why(window("2027-01-03T04:00:00Z", "2027-01-03T04:00:00Z")),
            "the CA's renewal information has a bad \"suggestedWindow\"");
  EXPECT_EQ(why(window("2027-01-03T04:00:00Z", "later")),
            "the CA's renewal information has a bad \"end\"");
  EXPECT_EQ(why(window("0001-01-01T00:00:00Z", "2027-01-02T04:00:00Z")),
            "the CA's renewal information has a bad \"start\"");
}

TEST(RenewalInfo, ThatIsMissingIsNone) {
  const RenewalInfo none =
      read_renewal_info(FakeCa::problem(404, "malformed", "no such certificate"), kNow);
  EXPECT_EQ(describe(none), "malformed: no such certificate");
  EXPECT_EQ(none.window.error().kind, ErrorKind::rejected);
  EXPECT_EQ(none.ask_again, base::Seconds(6 * 3600));
}

TEST(RenewalInfo, OfACaThatIsIllChangesNothingThatIsKnown) {
  const RenewalInfo ill = read_renewal_info(reply(500, "oops", "7200"), kNow);
  EXPECT_EQ(ill.window.error().kind, ErrorKind::transient);
  EXPECT_EQ(ill.ask_again, base::Seconds(7200));
  EXPECT_EQ(read_renewal_info(base::transient("no route"), kNow).window.error().kind,
            ErrorKind::transient);
}

class FetchRenewalInfo : public testing::Test {
 protected:
  std::vector<RenewalInfo> fetch(std::vector<std::string> ids) {
    auto all = fetch_renewal_info(client_, ids);
    EXPECT_TRUE(all) << all.error().message;
    return all.value_or(std::vector<RenewalInfo>());
  }

  base::FakeClock clock_{kNow};
  FakeCa ca_{clock_};
  FakeSigner signer_;
  Client client_{ca_, signer_, clock_, FakeCa::kDirectory};
};

TEST_F(FetchRenewalInfo, AsksForEachCertificate) {
  ca_.renewal_info = kGood;
  ca_.fault = [](const std::string& path, const std::string&) {
    return path == "/renewal-info/a.c" ? FakeCa::Fault{FakeCa::Fault::drop_request}
                                       : FakeCa::Fault();
  };
  const auto all = fetch({"a.b", "a.c", "a.d"});
  ASSERT_THAT(all, SizeIs(3));
  EXPECT_THAT(describe(all[0]), HasSubstr("2027-01-02T04:00:00Z"));
  EXPECT_EQ(describe(all[1]), "the connection was reset");
  EXPECT_THAT(describe(all[2]), HasSubstr("2027-01-02T04:00:00Z"));
  EXPECT_THAT(ca_.log, ElementsAre("GET /dir", "GET /renewal-info/a.b", "GET /renewal-info/a.c",
                                   "GET /renewal-info/a.d"));
}

TEST_F(FetchRenewalInfo, AsksForAHundredAFewAtATime) {
  ca_.renewal_info = kGood;
  EXPECT_THAT(fetch(std::vector<std::string>(100, "a.b")), SizeIs(100));
  EXPECT_EQ(ca_.count("GET /renewal-info/a.b"), 100);
}

TEST_F(FetchRenewalInfo, OfACaWithoutItIsNone) {
  EXPECT_EQ(describe(fetch({"a.b"}).front()), "the CA has no renewal information");
  EXPECT_THAT(ca_.log, ElementsAre("GET /dir"));
}

}  // namespace
}  // namespace everseal::acme
