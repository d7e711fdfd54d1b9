#include "ca/front_end_fixture.h"

namespace everseal::ca {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using namespace std::chrono_literals;

class AuthorizationTest : public FrontEndTest {
 protected:
  const Client client_ = registered();

  // The first authorization of a new order.
  std::string made_for(const std::string& name, const json& more = {}) {
    return order(client_, {name}, more).body().at("authorizations").at(0);
  }
  json read(const std::string& target) { return post_as_get(client_, target).body(); }
  Reply answer(const json& challenge) {
    return post(client_, challenge.at("url"), std::string("{}"));
  }
  static std::vector<std::string> types(const json& authorization) {
    std::vector<std::string> all;
    for (const json& each : authorization.at("challenges")) all.push_back(each.at("type"));
    return all;
  }
};

TEST_F(AuthorizationTest, OffersEveryChallengeWithAToken) {
  const json body = read(made_for("a.com"));
  EXPECT_EQ(body.at("status"), "pending");
  EXPECT_EQ(body.at("expires"), "2026-11-28T04:00:00Z");
  EXPECT_EQ(body.at("identifier"), (json{{"type", "dns"}, {"value", "a.com"}}));
  EXPECT_FALSE(body.contains("wildcard"));
  EXPECT_THAT(types(body), ElementsAre("http-01", "dns-01", "tls-alpn-01"));
  const json& challenge = body.at("challenges").at(0);
  EXPECT_EQ(challenge.at("url"), "https://ca.test:8555/chall/1/http-01");
  EXPECT_EQ(challenge.at("status"), "pending");
  EXPECT_EQ(challenge.at("token").get<std::string>().size(), 43u);
}

TEST_F(AuthorizationTest, OffersWhatCanProveTheName) {
  const json wildcard = read(made_for("*.a.com"));
  EXPECT_THAT(types(wildcard), ElementsAre("dns-01"));
  EXPECT_EQ(wildcard.at("identifier").at("value"), "a.com");
  EXPECT_EQ(wildcard.at("wildcard"), true);
  const json order = post(client_, url("/new-order"),
                          json{{"identifiers", {{{"type", "ip"}, {"value", "192.0.2.1"}}}},
                               {"profile", "shortlived"}})
                         .body();
  EXPECT_THAT(types(read(order.at("authorizations").at(0))), ElementsAre("http-01", "tls-alpn-01"));
}

TEST_F(AuthorizationTest, BecomesValidByAChallenge) {
  const std::string target = made_for("a.com");
  validator_.held = {"a.com"};
  const Reply answered = answer(read(target).at("challenges").at(0));
  EXPECT_EQ(answered.body().at("status"), "processing");
  EXPECT_THAT(http::links(answered.response, "up"), ElementsAre(target));
  EXPECT_EQ(read(target).at("status"), "pending");
  ASSERT_THAT(validator_.asked, SizeIs(1));
  EXPECT_EQ(validator_.asked[0].type, ChallengeType::http_01);
  EXPECT_EQ(validator_.asked[0].name, "a.com");
  EXPECT_EQ(validator_.asked[0].thumbprint, crypto::thumbprint(client_.key));
  EXPECT_EQ(validator_.asked[0].account_url, client_.account);

  validator_.held.clear();
  validator_.start(1, validator_.asked[0]);
  const json body = read(target);
  EXPECT_EQ(body.at("status"), "valid");
  EXPECT_EQ(body.at("expires"), "2026-12-21T04:00:00Z");
  EXPECT_THAT(types(body), ElementsAre("http-01"));
  EXPECT_EQ(body.at("challenges").at(0).at("validated"), "2026-11-21T04:00:00Z");
  advance(30 * 24h);
  EXPECT_EQ(read(target).at("status"), "expired");
}

TEST_F(AuthorizationTest, BecomesInvalidWithTheReason) {
  validator_.refused["a.com"] = {.type = "connection", .detail = "refused", .status = 400};
  const std::string target = made_for("a.com");
  answer(read(target).at("challenges").at(1));
  const json body = read(target);
  EXPECT_EQ(body.at("status"), "invalid");
  EXPECT_THAT(types(body), ElementsAre("dns-01"));
  EXPECT_EQ(body.at("challenges").at(0).at("status"), "invalid");
  EXPECT_EQ(body.at("challenges").at(0).at("error"),
            (json{{"type", "urn:ietf:params:acme:error:connection"},
                  {"detail", "refused"},
                  {"status", 400}}));
  EXPECT_EQ(answer(body.at("challenges").at(0)).body().at("status"), "invalid");
}

TEST_F(AuthorizationTest, IsTriedOnce) {
  validator_.held = {"a.com"};
  const json body = read(made_for("a.com"));
  answer(body.at("challenges").at(0));
  answer(body.at("challenges").at(0));
  EXPECT_EQ(answer(body.at("challenges").at(1)).body().at("status"), "pending");
  EXPECT_THAT(validator_.asked, SizeIs(1));
}

TEST_F(AuthorizationTest, ExpiresUnproven) {
  const std::string target = made_for("a.com", {{"profile", "tlsserver"}});
  const json challenge = read(target).at("challenges").at(0);
  advance(1h);
  EXPECT_EQ(read(target).at("status"), "invalid");
  EXPECT_EQ(answer(challenge).summary(), "400 malformed: the authorization is invalid");
}

TEST_F(AuthorizationTest, IsDeactivated) {
  const std::string target = made_for("a.com");
  const json challenge = read(target).at("challenges").at(0);
  EXPECT_EQ(post(client_, target, json{{"status", "valid"}}).summary(),
            "400 malformed: a \"status\" can be set to \"deactivated\" alone");
  EXPECT_EQ(post(client_, target, json{{"status", "deactivated"}}).body().at("status"),
            "deactivated");
  EXPECT_EQ(post_as_get(client_, url("/order/1")).body().at("status"), "invalid");
  EXPECT_EQ(answer(challenge).summary(), "400 malformed: the authorization is deactivated");
  EXPECT_EQ(post(client_, target, json{{"status", "deactivated"}}).summary(),
            "400 malformed: the authorization is deactivated");
  EXPECT_THAT(validator_.asked, IsEmpty());
}

TEST_F(AuthorizationTest, DeactivatedWhileItIsTriedStaysSo) {
  validator_.held = {"a.com"};
  const std::string target = made_for("a.com");
  answer(read(target).at("challenges").at(0));
  post(client_, target, json{{"status", "deactivated"}});
  validator_.held.clear();
  validator_.start(1, validator_.asked[0]);
  EXPECT_EQ(read(target).at("status"), "deactivated");
}

TEST_F(AuthorizationTest, IsNobodyElses) {
  const std::string target = made_for("a.com");
  const json challenge = read(target).at("challenges").at(0);
  const Client other = registered();
  EXPECT_EQ(post_as_get(other, target).summary(),
            "403 unauthorized: the authorization is another account's");
  EXPECT_EQ(post(other, challenge.at("url"), std::string("{}")).summary(),
            "403 unauthorized: the authorization is another account's");
  EXPECT_EQ(post_as_get(client_, url("/chall/1/http-02")).summary(),
            "404 malformed: there is no such challenge");
  EXPECT_EQ(post_as_get(client_, url("/authz/99")).summary(),
            "404 malformed: there is no such authorization");
}

TEST_F(AuthorizationTest, IsMadeBeforeAnOrder) {
  const json payload = {{"identifier", {{"type", "dns"}, {"value", "a.com"}}}};
  const Reply made = post(client_, url("/new-authz"), payload);
  EXPECT_EQ(made.summary(), "201");
  EXPECT_EQ(made.header("Location"), "https://ca.test:8555/authz/1");
  answer(made.body().at("challenges").at(0));
  EXPECT_EQ(order(client_, {"a.com"}).body().at("status"), "ready");
  const Reply again = post(client_, url("/new-authz"), payload);
  EXPECT_EQ(again.summary(), "200");
  EXPECT_EQ(again.header("Location"), made.header("Location"));
  EXPECT_EQ(post(client_, url("/new-authz"),
                 json{{"identifier", {{"type", "dns"}, {"value", "*.a.com"}}}})
                .summary(),
            "400 malformed: a wildcard cannot be authorized before it is ordered");
  EXPECT_EQ(post(client_, url("/new-authz"), json::object()).summary(),
            "400 malformed: \"identifier\" is missing");
}

TEST_F(AuthorizationTest, AnAccountWithTooManyUnderWayIsToldToComeAgain) {
  occupy(client_);
  const std::string target = made_for("a.com");
  const json challenge = read(target).at("challenges").at(0);
  const Reply refused = answer(challenge);
  EXPECT_EQ(refused.summary(),
            "429 rateLimited: this account may have 500 validations under way at once; try again "
            "when some have ended");
  EXPECT_EQ(refused.header("Retry-After"), "10");
  EXPECT_EQ(read(target).at("status"), "pending");
  EXPECT_EQ(read(target).at("challenges").at(0).at("status"), "pending");

  const Client other = registered();
  authorize(other, order(other, {"a.com"}).body());
  EXPECT_THAT(validator_.asked, SizeIs(501));

  validator_.held.clear();
  validator_.start(1, validator_.asked[0]);
  EXPECT_EQ(answer(challenge).summary(), "200");
  EXPECT_EQ(read(target).at("status"), "valid");
}

TEST_F(AuthorizationTest, GoesOnAfterARestart) {
  validator_.held = {"a.com"};
  const std::string target = made_for("a.com");
  answer(read(target).at("challenges").at(0));
  FakeValidator later;
  FrontEnd again(ledger_, shared_issuer(), later, clock_, {.host = "ca.test:8555"});
  ASSERT_TRUE(again.resume());
  ASSERT_THAT(later.asked, SizeIs(1));
  EXPECT_EQ(later.asked[0].token, validator_.asked[0].token);
  again.settle();
  EXPECT_EQ(read(target).at("status"), "valid");
}

}  // namespace
}  // namespace everseal::ca
