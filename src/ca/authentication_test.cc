// Every rule of RFC 8555 §6.

#include <unistd.h>

#include "base/sqlite.h"
#include "ca/front_end_fixture.h"

namespace everseal::ca {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class Authentication : public FrontEndTest {
 protected:
  // A JWS of any header.
  static std::string jws(const crypto::PrivateKey& key, const json& header,
                         const std::string& payload) {
    const std::string head = base::base64url(header.dump()), body = base::base64url(payload);
    return json{{"protected", head},
                {"payload", body},
                {"signature", base::base64url(*key.sign(head + "." + body))}}
        .dump();
  }

  json header(const Client& client, const std::string& target) {
    return {{"alg", "ES256"}, {"kid", client.account}, {"nonce", nonce()}, {"url", target}};
  }

  const std::string new_order_ = url("/new-order");
  const std::string payload_ = R"({"identifiers":[{"type":"dns","value":"a.com"}]})";
};

TEST_F(Authentication, LetsInWhoSignsWell) {
  const Client client = registered();
  EXPECT_EQ(post_raw(new_order_, jws(client.key, header(client, new_order_), payload_)).summary(),
            "201");
}

TEST_F(Authentication, AnotherContentTypeIsRefused) {
  const Client client = registered();
  const std::string body = jws(client.key, header(client, new_order_), payload_);
  for (const char* type : {"application/json", "application/jose+json; charset=utf-8", ""})
    EXPECT_EQ(post_raw(new_order_, body, type).summary(),
              "415 malformed: the content type is not application/jose+json");
}

TEST_F(Authentication, WhatIsNoJwsIsRefused) {
  for (const char* body : {"", "hello", "{}", "[]", R"({"payload":"","signature":""})"})
    EXPECT_THAT(post_raw(new_order_, body).summary(), StartsWith("400 malformed: ")) << body;
}

TEST_F(Authentication, TheUrlMustBeTheRequests) {
  const Client client = registered();
  for (const char* other : {"https://ca.test:8555/new-authz", "https://other.test/new-order", ""})
    EXPECT_THAT(post_raw(new_order_, jws(client.key, header(client, other), payload_)).summary(),
                StartsWith("403 unauthorized: the signed \"url\" is not "));
}

// RFC 8555 §6.4: somebody who has it from a client of another CA may send it here with any Host.
TEST_F(Authentication, WhatIsSignedForAnotherCaIsNotGoodHere) {
  const Client client = registered();
  json elsewhere = header(client, "https://other.test/new-order");
  elsewhere["kid"] = "https://other.test/account/1";
  const Reply refused =
      post_raw("https://other.test/new-order", jws(client.key, elsewhere, payload_));
  EXPECT_EQ(refused.summary(),
            "421 unauthorized: https://other.test is not a name of this CA, which is "
            "https://ca.test:8555");
  EXPECT_THAT(refused.header("Link"), StartsWith("<https://ca.test:8555/directory>"));
  EXPECT_THAT(get("https://other.test/directory").summary(), StartsWith("421 unauthorized: "));
  EXPECT_THAT(get("https://ca.test/directory").summary(), StartsWith("421 unauthorized: "));
}

// A CRL's URL is as old as the certificate that names it.
TEST_F(Authentication, ListsAreThereByEveryName) {
  EXPECT_EQ(get("http://former.test/crl/1.crl").summary(), "200");
}

TEST_F(Authentication, NoncesAreGoodOnce) {
  const Client client = registered();
  json header = this->header(client, new_order_);
  const std::string body = jws(client.key, header, payload_);
  EXPECT_EQ(post_raw(new_order_, body).summary(), "201");
  const Reply again = post_raw(new_order_, body);
  EXPECT_EQ(again.summary(), "400 badNonce: the nonce is not good");
  header["nonce"] = again.header("Replay-Nonce");
  EXPECT_EQ(post_raw(new_order_, jws(client.key, header, payload_)).summary(), "201");
  header.erase("nonce");
  EXPECT_EQ(post_raw(new_order_, jws(client.key, header, payload_)).summary(),
            "400 badNonce: the nonce is not good");
  header["nonce"] = "not+base64url";
  EXPECT_THAT(post_raw(new_order_, jws(client.key, header, payload_)).summary(),
              StartsWith("400 malformed: "));
}

TEST_F(Authentication, ABadSignatureUsesNoNonceUp) {
  const Client client = registered();
  const Client other = registered();
  const json header = this->header(client, new_order_);
  EXPECT_THAT(post_raw(new_order_, jws(other.key, header, payload_)).summary(),
              StartsWith("400 malformed: "));
  EXPECT_EQ(post_raw(new_order_, jws(client.key, header, payload_)).summary(), "201");
}

TEST_F(Authentication, AlgorithmsThatAreUnknownAreNamedWithThoseThatAreNot) {
  const Client client = registered();
  for (const char* algorithm : {"none", "HS256", "ES512"}) {
    json header = this->header(client, new_order_);
    header["alg"] = algorithm;
    const Reply refused = post_raw(new_order_, jws(client.key, header, payload_));
    EXPECT_THAT(refused.summary(), StartsWith("400 badSignatureAlgorithm: ")) << algorithm;
    EXPECT_THAT(refused.body().at("algorithms"), ElementsAre("ES256", "ES384", "RS256"));
  }
}

TEST_F(Authentication, AKeyIdIsDueButForNewAccounts) {
  const Client client = registered();
  Client nameless{.key = *crypto::PrivateKey::from_pem(client.key.to_pem())};
  EXPECT_EQ(post(nameless, new_order_, payload_).summary(),
            "400 malformed: the request is signed by a \"jwk\" where an account's \"kid\" is due");
  EXPECT_EQ(post(client, url("/new-account"), std::string("{}")).summary(),
            "400 malformed: the request is signed by a \"kid\" where a \"jwk\" is due");
}

TEST_F(Authentication, AccountsThatAreUnknownAreTold) {
  Client client = registered();
  for (const char* kid : {"https://ca.test:8555/account/99", "https://ca.test:8555/order/1", "1",
                          "https://other.test/account/1", "https://ca.test:8555/account/01"}) {
    client.account = kid;
    EXPECT_EQ(post(client, new_order_, payload_).summary(),
              fmt::format("400 accountDoesNotExist: there is no account {}", kid));
  }
}

TEST_F(Authentication, DeactivatedAccountsAreOut) {
  const Client client = registered();
  EXPECT_EQ(post(client, client.account, json{{"status", "deactivated"}}).summary(), "200");
  EXPECT_EQ(post(client, new_order_, payload_).summary(),
            "401 unauthorized: the account is deactivated");
  EXPECT_EQ(post_as_get(client, client.account).summary(),
            "401 unauthorized: the account is deactivated");
}

TEST_F(Authentication, KeysThatNoCaTakesAreRefused) {
  json header = {{"alg", "ES256"},
                 {"jwk", {{"kty", "EC"}, {"crv", "P-256"}, {"x", "AA"}, {"y", "AA"}}},
                 {"nonce", nonce()},
                 {"url", url("/new-account")}};
  EXPECT_THAT(post_raw(url("/new-account"), jws(key_, header, "{}")).summary(),
              testing::AnyOf(StartsWith("400 badPublicKey: "), StartsWith("400 malformed: ")));
  header["jwk"] = {{"kty", "EC"}, {"crv", "P-521"}, {"x", "AA"}, {"y", "AA"}};
  EXPECT_THAT(post_raw(url("/new-account"), jws(key_, header, "{}")).summary(),
              StartsWith("400 badPublicKey: "));
}

TEST_F(Authentication, APostAsGetHasNoPayloadAndOthersHaveOne) {
  const Client client = registered();
  const std::string target = order(client, {"a.com"}).header("Location");
  EXPECT_EQ(post(client, target, std::string("{}")).summary(),
            "400 malformed: a POST-as-GET has an empty payload");
  EXPECT_EQ(post_as_get(client, new_order_).summary(), "400 malformed: the payload is empty");
  EXPECT_EQ(post(client, new_order_, std::string("[]")).summary(),
            "400 malformed: the payload is not a JSON object");
  EXPECT_THAT(post(client, new_order_, std::string(200, '[')).summary(),
              StartsWith("400 malformed: the payload is nested too deeply"));
}

TEST_F(Authentication, WhatIsNotPublicTakesNoGet) {
  const Reply refused = get(url("/order/1"));
  EXPECT_THAT(refused.summary(), StartsWith("405 malformed: "));
  EXPECT_EQ(refused.header("Allow"), "POST");
  EXPECT_EQ(get(url("/nothing")).summary(), "404 malformed: there is no such resource");
  EXPECT_EQ(get(url("/order/1/more/words")).summary(), "404 malformed: there is no such resource");
}

TEST_F(Authentication, WithoutTlsThereAreOnlyListsAndIssuers) {
  EXPECT_EQ(get("http://ca.test:8555/directory").summary(),
            "403 malformed: this resource is there by https alone");
  EXPECT_EQ(get("http://ca.test:8555/crl/1.crl").summary(), "200");
}

TEST_F(Authentication, WhatTheServerCouldNotReadIsAProblemToo) {
  const auto refusal = [&](int status) {
    const http::Arrival arrival{.id = 7, .refused = status};
    const Answer answer = front_end_.handle({&arrival, 1}).front();
    EXPECT_EQ(answer.id, 7u);
    EXPECT_EQ(*answer.response.header("Content-Type"), "application/problem+json");
    return Reply{answer.response}.summary();
  };
  EXPECT_EQ(refusal(413), "413 malformed: the request is too large");
  EXPECT_EQ(refusal(405), "405 malformed: methods are GET, HEAD and POST");
  EXPECT_EQ(refusal(431), "431 malformed: the request's headers are too large");
  EXPECT_EQ(refusal(400), "400 malformed: the request cannot be read");
}

TEST_F(Authentication, EveryAnswerToAPostHasANonce) {
  const Client client = registered();
  const Reply good = order(client, {"a.com"}), bad = post_raw(new_order_, "");
  for (const Reply& each : {good, bad}) {
    EXPECT_EQ(each.header("Replay-Nonce").size(), 32u);
    EXPECT_EQ(each.header("Link"), "<https://ca.test:8555/directory>;rel=\"index\"");
  }
  EXPECT_EQ(bad.header("Content-Type"), "application/problem+json");
  EXPECT_EQ(bad.body().at("status"), 400);
}

TEST_F(Authentication, TheDirectoryAndNoncesArePublic) {
  const Reply directory = get(url("/directory"));
  EXPECT_EQ(directory.body().at("newOrder"), new_order_);
  EXPECT_EQ(directory.body().at("meta").at("externalAccountRequired"), false);
  EXPECT_TRUE(directory.body().at("meta").at("profiles").contains("shortlived"));
  EXPECT_EQ(directory.header("Link"), "");
  EXPECT_EQ(directory.header("Date"), "Sat, 21 Nov 2026 04:00:00 GMT");
  const Reply got = get(url("/new-nonce"));
  EXPECT_EQ(got.status(), 204);
  EXPECT_EQ(got.header("Cache-Control"), "no-store");
  EXPECT_NE(got.header("Replay-Nonce"), nonce());
  const Client client = registered();
  EXPECT_EQ(post_as_get(client, url("/directory")).summary(), "200");
  EXPECT_EQ(post_as_get(client, url("/new-nonce")).summary(), "200");
}

TEST_F(Authentication, TheSameCaHasTheNameThatTheClientUses) {
  EXPECT_EQ(get("https://127.0.0.1:8555/directory").body().at("newNonce"),
            "https://127.0.0.1:8555/new-nonce");
}

TEST_F(Authentication, AllOfABatchAreAnsweredWithOneCommit) {
  const Client client = registered();
  std::vector<http::Arrival> arrivals;
  for (std::uint64_t i = 0; i < 3; i++)
    arrivals.push_back(
        {.id = i,
         .request = {
             .method = http::Method::post,
             .url = new_order_,
             .headers = {{"Content-Type", "application/jose+json"}},
             .body = jws(client.key, header(client, new_order_),
                         json{{"identifiers", identifiers({fmt::format("n{}.com", i)})}}.dump())}});
  arrivals[1].request.body = "bad";
  const auto answers = front_end_.handle(arrivals);
  ASSERT_EQ(answers.size(), 3u);
  EXPECT_EQ(answers[0].response.status, 201);
  EXPECT_EQ(answers[1].response.status, 400);
  EXPECT_EQ(answers[2].id, 2u);
  EXPECT_EQ(answers[2].response.status, 201);
}

TEST_F(Authentication, AFailureOfOursIsForTheLog) {
  const std::string path = testing::TempDir() + "everseal-failing-" + std::to_string(::getpid());
  Ledger ledger = *Ledger::open(path);
  FrontEnd failing(
      ledger, shared_issuer(), validator_, clock_,
      {.host = "ca.test:8555", .log = [this](const std::string& text) { log_.push_back(text); }});
  ASSERT_TRUE(base::Database::open(path)->execute("DROP TABLE accounts"));
  const std::string target = url("/new-account");
  const http::Response head =
      failing.handle({.method = http::Method::head, .url = url("/new-nonce")});
  const Client client;
  const Reply refused{failing.handle(
      {.method = http::Method::post,
       .url = target,
       .headers = {{"Content-Type", "application/jose+json"}},
       .body = *crypto::sign_jws(client.key, {.url = target, .nonce = *head.header("Replay-Nonce")},
                                 "{}")})};
  EXPECT_EQ(refused.summary(), "500 serverInternal: the CA failed; its log says why");
  ASSERT_FALSE(log_.empty());
  EXPECT_THAT(log_.back(), HasSubstr("accounts"));
  for (const char* part : {"", "-wal", "-shm"}) ::unlink((path + part).c_str());
}

}  // namespace
}  // namespace everseal::ca
