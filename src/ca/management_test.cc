#include "ca/management.h"

#include "ca/front_end_fixture.h"

namespace everseal::ca {
namespace {

class ManagementTest : public FrontEndTest {
 protected:
  http::Response ask(http::Method method, const std::string& path, const std::string& body = "") {
    return management_.handle({.method = method,
                               .url = "https://127.0.0.1:8555" + path,
                               .headers = {{"Content-Type", "application/json"}},
                               .body = body});
  }

  Management management_{front_end_, ledger_, names()};
};

// A page whose name leads here (DNS rebinding) sends its own name.
TEST_F(ManagementTest, HearsNobodyWhoCallsItByAnotherName) {
  for (const char* origin : {"http://rebound.example:8556", "https://127.0.0.1", ""}) {
    const http::Request request{.method = http::Method::get,
                                .url = origin + std::string("/requests")};
    EXPECT_EQ(Reply{management_.handle(request)}.summary(),
              fmt::format("421 unauthorized: {} is not a name of this CA", origin));
  }
}

TEST_F(ManagementTest, CountsRequestsByResource) {
  const Client client = registered();
  order(client, {"a.com"});
  get(url("/nothing"));
  EXPECT_EQ(json::parse(ask(http::Method::get, "/requests").body),
            json::parse(R"({"": 1, "new-account": 1, "new-nonce": 2, "new-order": 1})"));
}

TEST_F(ManagementTest, SetsAndEndsFaults) {
  EXPECT_EQ(ask(http::Method::post, "/faults", R"({"fault": [{"status": 500}]})").status, 204);
  EXPECT_EQ(get(url("/directory")).status(), 500);
  EXPECT_EQ(ask(http::Method::post, "/faults/clear", "{}").status, 204);
  EXPECT_EQ(get(url("/directory")).status(), 200);
  const Reply wrong{ask(http::Method::post, "/faults", R"({"fault": [{"sttus": 500}]})")};
  EXPECT_EQ(wrong.summary(), R"(400 malformed: faults: fault 1: there is no "sttus")");
}

TEST_F(ManagementTest, SetsThePolicyButForWhatIsReadAtTheStart) {
  EXPECT_EQ(ask(http::Method::post, "/policy", R"({"website": "https://ca.test"})").status, 204);
  for (const auto& [member, value] :
       {std::pair("caa_identities", "ca.test"), std::pair("other_names", "ca.example"),
        std::pair("reach_also", "127.0.0.0/8"), std::pair("reach_never", "10.0.0.0/8")}) {
    const json policy = {{member, {value}}};
    EXPECT_EQ(Reply{ask(http::Method::post, "/policy", policy.dump())}.summary(),
              fmt::format("400 malformed: \"{}\" holds from the next start", member));
    EXPECT_EQ(front_end_.policy().website, "https://ca.test");
    Policy same = front_end_.policy();
    const Policy wanted = *parse_policy(policy.dump());
    same.caa_identities = wanted.caa_identities;
    same.other_names = wanted.other_names;
    same.reach_also = wanted.reach_also;
    same.reach_never = wanted.reach_never;
    use(same);
    EXPECT_EQ(ask(http::Method::post, "/policy", policy.dump()).status, 204) << member;
    use(*parse_policy(R"({"website": "https://ca.test"})"));
  }
}

TEST_F(ManagementTest, IsForThoseAloneWhoMeanIt) {
  EXPECT_EQ(ask(http::Method::get, "/faults").status, 405);
  const http::Request form{.method = http::Method::post,
                           .url = "https://127.0.0.1:8555/faults/clear",
                           .headers = {{"Content-Type", "text/plain"}}};
  EXPECT_EQ(management_.handle(form).status, 415);
}

}  // namespace
}  // namespace everseal::ca
