#include "ca/faults.h"

#include "ca/front_end_fixture.h"

namespace everseal::ca {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using namespace std::chrono_literals;

class FaultsTest : public FrontEndTest {
 protected:
  void script(const json& fault) {
    const auto added = front_end_.faults().add(json{{"fault", {fault}}}.dump());
    ASSERT_TRUE(added) << added.error().message;
  }
  static std::string error_of(const json& fault) {
    Faults faults(crypto::random_bytes);
    const auto added = faults.add(json{{"fault", {json::object(), fault}}}.dump());
    return added ? "" : added.error().message;
  }
  Answer answer(const Client& client, const std::string& target, const std::string& payload) {
    const http::Arrival arrival{
        .request = {
            .method = http::Method::post,
            .url = target,
            .headers = {{"Content-Type", "application/jose+json"}},
            .body = *crypto::sign_jws(
                client.key, {.url = target, .nonce = nonce(), .kid = client.account}, payload)}};
    return front_end_.handle({&arrival, 1}).front();
  }
};

TEST_F(FaultsTest, StrikesTheRequestsThatItNames) {
  const Client client = registered();
  script({{"resource", "new-order"},
          {"name", "bad.com"},
          {"from", 2},
          {"times", 1},
          {"problem", {{"type", "rateLimited"}, {"status", 429}, {"detail", "paused"}}},
          {"headers", {{"Retry-After", "3600"}}}});
  EXPECT_EQ(order(client, {"a.com"}).summary(), "201");
  EXPECT_EQ(order(client, {"a.com", "bad.com"}).summary(), "201");
  const Reply refused = order(client, {"bad.com"});
  EXPECT_EQ(refused.summary(), "429 rateLimited: paused");
  EXPECT_EQ(refused.header("Retry-After"), "3600");
  EXPECT_EQ(refused.header("Replay-Nonce").size(), 32u);
  EXPECT_EQ(order(client, {"bad.com"}).summary(), "201");
}

TEST_F(FaultsTest, WhatIsAnsweredOtherwiseHasNoEffectUnlessItIsSaid) {
  const Client client = registered();
  script({{"resource", "new-order"}, {"times", 1}, {"status", 500}});
  script({{"resource", "new-order"},
          {"from", 2},
          {"times", 1},
          {"status", 500},
          {"has_effect", true}});
  EXPECT_EQ(order(client, {"a.com"}).summary(), "500");
  EXPECT_EQ(*ledger_.order(1), std::nullopt);
  EXPECT_EQ(order(client, {"a.com"}).summary(), "500");
  EXPECT_TRUE(ledger_.order(1)->has_value());
}

TEST_F(FaultsTest, FaultA26_DropsBeforeOrAfterTheEffect) {
  const Client client = registered();
  script({{"resource", "new-order"}, {"times", 1}, {"drop", "before"}});
  script({{"resource", "new-order"}, {"from", 2}, {"drop", "after"}, {"delay", "3s"}});
  const std::string payload = json{{"identifiers", identifiers({"a.com"})}}.dump();
  EXPECT_TRUE(answer(client, url("/new-order"), payload).dropped);
  EXPECT_EQ(*ledger_.order(1), std::nullopt);
  const Answer second = answer(client, url("/new-order"), payload);
  EXPECT_TRUE(second.dropped);
  EXPECT_EQ(second.delay, 3s);
  EXPECT_TRUE(ledger_.order(1)->has_value());
}

TEST_F(FaultsTest, FaultA1_StrikesByChance) {
  script({{"resource", "new-nonce"}, {"percent", 50}, {"status", 500}});
  int struck = 0;
  for (int i = 0; i < 400; i++) struck += get(url("/new-nonce")).status() == 500;
  EXPECT_GT(struck, 120);
  EXPECT_LT(struck, 280);
}

TEST_F(FaultsTest, FaultA3_ChangesHeaders) {
  script({{"resource", "new-nonce"},
          {"headers", {{"replay-nonce", {"a", "b"}}, {"Date", json::array()}}}});
  const Reply got = get(url("/new-nonce"));
  EXPECT_THAT(got.response.all("Replay-Nonce"), ElementsAre("a", "b"));
  EXPECT_THAT(got.response.all("Date"), IsEmpty());
}

TEST_F(FaultsTest, FaultA8_AnswersWithAnyBytes) {
  script({{"resource", "directory"},
          {"status", 200},
          {"body", {{"base64url", base::base64url(std::string("[\0\xff", 3))}, {"repeat", 1000}}}});
  EXPECT_EQ(get(url("/directory")).response.body.size(), 3000u);
}

TEST_F(FaultsTest, FaultA11_RearrangesChains) {
  const Client client = registered();
  const std::string target = issued(client, {"a.com"}).at("certificate");
  const auto count = [&](const json& fault) {
    front_end_.faults().clear();
    json all = fault;
    all["resource"] = "cert";
    script(all);
    return post_as_get(client, target).response.body;
  };
  const std::string whole = count(json::object()), leaf_only = count({{"chain", {0}}});
  EXPECT_TRUE(whole.starts_with(leaf_only));
  EXPECT_EQ(
      count({{"chain", {1, 0}}}),
      whole.substr(leaf_only.size(), whole.find("-----END", leaf_only.size()) - leaf_only.size()) +
          "-----END CERTIFICATE-----\n" + leaf_only);
  EXPECT_EQ(count({{"append", "junk"}}), whole + "junk");
  EXPECT_EQ(count({{"crlf", true}}).substr(0, 29), "-----BEGIN CERTIFICATE-----\r\n");
}

TEST_F(FaultsTest, FaultsA12AndA13_IssuesForOthers) {
  const Client client = registered();
  script({{"resource", "finalize"},
          {"issuance", {{"names", {"evil.com", "*.a.com", "192.0.2.1"}}, {"other_key", true}}}});
  const auto wrong = leaf(client, issued(client, {"a.com"}));
  EXPECT_THAT(wrong.dns_names(), ElementsAre("evil.com", "*.a.com"));
  EXPECT_TRUE(wrong.has_other_names());
  EXPECT_NE(wrong.public_key_der(), key_.public_key_der());
}

TEST_F(FaultsTest, FaultA14_IssuesForAnotherTime) {
  const Client client = registered();
  script({{"resource", "finalize"}, {"issuance", {{"begins", "-1d"}, {"ends", "10m"}}}});
  const auto wrong = leaf(client, issued(client, {"a.com"}));
  EXPECT_EQ(wrong.not_before(), kStart - 24h);
  EXPECT_EQ(wrong.not_after(), kStart + 10min);
}

TEST_F(FaultsTest, FaultA15_StaysBusy) {
  const Client client = registered();
  script({{"resource", "challenge"}, {"hold", true}});
  const json made = order(client, {"a.com"}).body();
  authorize(client, made);
  EXPECT_THAT(validator_.asked, IsEmpty());
  EXPECT_EQ(post_as_get(client, made.at("authorizations").at(0)).body().at("status"), "pending");
  front_end_.faults().clear();
  for (const char* resource : {"finalize", "order"})
    script({{"resource", resource},
            {"times", 1},
            {"set", {{"/status", "processing"}}},
            {"remove", {"/certificate"}}});
  const json busy = issued(client, {"b.com"});
  EXPECT_EQ(busy.at("status"), "processing");
  EXPECT_FALSE(busy.contains("certificate"));
  EXPECT_EQ(post_as_get(client, busy.at("url")).body().at("status"), "processing");
  EXPECT_EQ(post_as_get(client, busy.at("url")).body().at("status"), "valid");
}

TEST_F(FaultsTest, FaultA23_ChangesTheDirectory) {
  script({{"resource", "directory"},
          {"set", {{"/newOrder", "https://ca.test:8555/new"}, {"/meta/profiles/extra/x", 1}}},
          {"remove", {"/keyChange", "/nothing/at/all"}}});
  const json directory = get(url("/directory")).body();
  EXPECT_EQ(directory.at("newOrder"), "https://ca.test:8555/new");
  EXPECT_FALSE(directory.contains("keyChange"));
  EXPECT_EQ(directory.at("meta").at("profiles").at("extra").at("x"), 1);
}

TEST_F(FaultsTest, FaultA27_FailsValidationsForAnyReason) {
  const Client client = registered();
  script({{"resource", "challenge"}, {"validation", {{"type", "caa"}, {"detail", "forbidden"}}}});
  const json made = order(client, {"a.com"}).body();
  authorize(client, made);
  const json body = post_as_get(client, made.at("authorizations").at(0)).body();
  EXPECT_EQ(body.at("status"), "invalid");
  EXPECT_EQ(body.at("challenges").at(0).at("error").at("type"), "urn:ietf:params:acme:error:caa");
  EXPECT_THAT(validator_.asked, IsEmpty());
}

TEST_F(FaultsTest, FaultA29_HandsOutHostileTokens) {
  const Client client = registered();
  script({{"resource", "authz"}, {"set", {{"/challenges/0/token", "../../etc/cron.d/x"}}}});
  order(client, {"a.com"});
  EXPECT_EQ(post_as_get(client, url("/authz/1")).body().at("challenges").at(0).at("token"),
            "../../etc/cron.d/x");
}

TEST_F(FaultsTest, FaultA30_SaysHostileThings) {
  const Client client = registered();
  script({{"resource", "new-order"},
          {"problem",
           {{"type", "unauthorized"},
            {"detail", "\x1b[31m$(reboot)\r\n"},
            {"repeat", 10000},
            {"subproblems", {{{"type", "dns"}, {"detail", "x"}, {"name", "a.com"}}}}}}});
  const json problem = order(client, {"a.com"}).body();
  EXPECT_THAT(problem.at("detail").get<std::string>(), SizeIs(160000));
  EXPECT_EQ(problem.at("subproblems").at(0).at("identifier").at("value"), "a.com");
}

TEST_F(FaultsTest, NamesWhatIsWrongInAScript) {
  EXPECT_EQ(error_of({{"resourse", "order"}}), "faults: fault 2: there is no \"resourse\"");
  EXPECT_EQ(error_of({{"drop", "maybe"}}),
            "faults: fault 2: \"drop\" is neither \"before\" nor \"after\" the request's effect");
  EXPECT_EQ(error_of({{"problem", {{"detail", "x"}}}}), "faults: fault 2: \"type\" is missing");
  EXPECT_EQ(error_of({{"chain", {-1}}}), "faults: fault 2: \"chain\" counts from 0");
  EXPECT_EQ(error_of({{"body", 1}}), "faults: fault 2: \"body\" is not an object");
}

}  // namespace
}  // namespace everseal::ca
