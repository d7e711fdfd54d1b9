#include "ca/front_end_fixture.h"

namespace everseal::ca {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;

class AccountTest : public FrontEndTest {
 protected:
  Reply register_with(const json& payload) { return post(Client(), url("/new-account"), payload); }
};

TEST_F(AccountTest, IsMadeOnceForAKey) {
  Client client;
  const json payload = {{"contact", {"mailto:admin@example.com"}}};
  const Reply made = post(client, url("/new-account"), payload);
  EXPECT_EQ(made.summary(), "201");
  EXPECT_EQ(made.header("Location"), "https://ca.test:8555/account/1");
  EXPECT_EQ(made.body().at("status"), "valid");
  EXPECT_THAT(made.body().at("contact"), ElementsAre("mailto:admin@example.com"));
  EXPECT_EQ(made.body().at("orders"), "https://ca.test:8555/account/1/orders");
  const Reply again = post(client, url("/new-account"), json::object());
  EXPECT_EQ(again.summary(), "200");
  EXPECT_EQ(again.header("Location"), made.header("Location"));
  EXPECT_THAT(again.body().at("contact"), SizeIs(1));
}

TEST_F(AccountTest, IsFoundAndNotMadeWhereThatIsAsked) {
  Client client;
  const json find = {{"onlyReturnExisting", true}};
  EXPECT_EQ(post(client, url("/new-account"), find).summary(),
            "400 accountDoesNotExist: there is no account of this key");
  post(client, url("/new-account"), json::object());
  EXPECT_EQ(post(client, url("/new-account"), find).summary(), "200");
}

TEST_F(AccountTest, TakesContactsByMailAlone) {
  const auto refusal = [&](const char* contact) {
    return register_with({{"contact", {contact}}}).summary();
  };
  EXPECT_EQ(refusal("tel:+1234"), "400 unsupportedContact: 'tel:+1234' is no mailto: URL");
  for (const char* contact : {"mailto:", "mailto:a", "mailto:a@b,c@d", "mailto:a@b?subject=x",
                              "mailto:a b@c", "mailto:a@\x01"})
    EXPECT_THAT(refusal(contact), StartsWith("400 invalidContact: '")) << contact;
  EXPECT_EQ(register_with({{"contact", std::vector<std::string>(11, "mailto:a@b")}}).summary(),
            "400 invalidContact: more than 10 contacts");
  EXPECT_EQ(register_with({{"contact", "mailto:a@b"}}).summary(),
            "400 malformed: \"contact\" is not an array");
}

TEST_F(AccountTest, AgreesToTheTermsFirst) {
  use({.terms_of_service = "https://ca.test/terms/1"});
  const Reply refused = register_with(json::object());
  EXPECT_EQ(refused.summary(), "403 userActionRequired: the terms of service are not agreed to");
  EXPECT_EQ(refused.header("Link"), "<https://ca.test/terms/1>;rel=\"terms-of-service\"");
  EXPECT_EQ(refused.body().at("instance"), "https://ca.test/terms/1");
  const Reply made = register_with({{"termsOfServiceAgreed", true}});
  EXPECT_EQ(made.summary(), "201");
  EXPECT_EQ(made.body().at("termsOfServiceAgreed"), true);
}

TEST_F(AccountTest, FaultA19_AgreesAnewToTermsThatChanged) {
  use({.terms_of_service = "https://ca.test/terms/1"});
  const Client client = registered();
  use({.terms_of_service = "https://ca.test/terms/2", .agree_anew = true});
  const Reply refused = order(client, {"a.com"});
  EXPECT_EQ(refused.summary(), "403 userActionRequired: the terms of service have changed");
  EXPECT_EQ(refused.header("Link"), "<https://ca.test/terms/2>;rel=\"terms-of-service\"");
  EXPECT_EQ(post_as_get(client, client.account).body().at("termsOfServiceAgreed"), false);
  EXPECT_EQ(post(client, client.account, json{{"termsOfServiceAgreed", true}}).summary(), "200");
  EXPECT_EQ(order(client, {"a.com"}).summary(), "201");
}

TEST_F(AccountTest, AgreesAnewByAskingForItselfToo) {
  use({.terms_of_service = "https://ca.test/terms/1"});
  const Client client = registered();
  use({.terms_of_service = "https://ca.test/terms/2", .agree_anew = true});
  const Client nameless{.key = *crypto::PrivateKey::from_pem(client.key.to_pem())};
  EXPECT_EQ(post(nameless, url("/new-account"), json{{"termsOfServiceAgreed", true}}).summary(),
            "200");
  EXPECT_EQ(order(client, {"a.com"}).summary(), "201");
}

TEST_F(AccountTest, IsUpdated) {
  const Client client = registered();
  EXPECT_THAT(post(client, client.account, json{{"contact", {"mailto:a@b"}}}).body().at("contact"),
              ElementsAre("mailto:a@b"));
  EXPECT_THAT(post(client, client.account, json{{"contact", json::array()}}).body().at("contact"),
              IsEmpty());
  EXPECT_EQ(post(client, client.account, json{{"status", "revoked"}}).summary(),
            "400 malformed: a \"status\" can be set to \"deactivated\" alone");
  EXPECT_EQ(post(client, client.account, json{{"status", "valid"}}).summary(), "200");
}

TEST_F(AccountTest, IsNobodyElses) {
  const Client client = registered(), other = registered();
  EXPECT_EQ(post_as_get(other, client.account).summary(),
            "403 unauthorized: this account is not that of the URL");
  EXPECT_EQ(post_as_get(other, client.account + "/orders").summary(),
            "403 unauthorized: this account is not that of the URL");
}

TEST_F(AccountTest, OfADeactivatedKeyComesNotBack) {
  Client client = registered();
  post(client, client.account, json{{"status", "deactivated"}});
  client.account.clear();
  EXPECT_EQ(post(client, url("/new-account"), json::object()).summary(),
            "401 unauthorized: the account of this key is deactivated");
}

TEST_F(AccountTest, ListsItsOrdersPageByPage) {
  const Client client = registered();
  for (int i = 0; i < 60; i++) order(client, {fmt::format("n{}.com", i)});
  order(registered(), {"other.com"});
  const Reply first = post_as_get(client, client.account + "/orders");
  EXPECT_THAT(first.body().at("orders"), SizeIs(50));
  EXPECT_EQ(first.body().at("orders").at(0), "https://ca.test:8555/order/1");
  EXPECT_EQ(first.header("Link"), "<https://ca.test:8555/account/1/orders/50>;rel=\"next\"");
  const Reply second = post_as_get(client, "https://ca.test:8555/account/1/orders/50");
  EXPECT_THAT(second.body().at("orders"), SizeIs(10));
  EXPECT_THAT(http::links(second.response, "next"), IsEmpty());
}

TEST_F(AccountTest, ListsNoOrdersThatCameToNothing) {
  const Client client = registered();
  validator_.refused["bad.com"] = {.type = "dns", .detail = "no"};
  authorize(client, order(client, {"bad.com"}).body());
  order(client, {"good.com"});
  EXPECT_THAT(post_as_get(client, client.account + "/orders").body().at("orders"), SizeIs(1));
}

class ExternalAccount : public AccountTest {
 protected:
  ExternalAccount() {
    use({.external_account_required = true,
         .external_accounts = {{"kid-1", base::base64url("a secret")}}});
  }
  Reply register_bound(const crypto::ExternalAccount& account) {
    const Client client;
    const json binding =
        json::parse(*crypto::bind_external_account(client.key, url("/new-account"), account));
    return post(client, url("/new-account"), json{{"externalAccountBinding", binding}});
  }
};

TEST_F(ExternalAccount, FaultA20_IsAskedFor) {
  EXPECT_EQ(get(url("/directory")).body().at("meta").at("externalAccountRequired"), true);
  EXPECT_EQ(register_with(json::object()).summary(),
            "403 externalAccountRequired: the CA makes accounts only for its customers");
}

TEST_F(ExternalAccount, IsBound) {
  EXPECT_EQ(register_bound({"kid-1", base::base64url("a secret")}).summary(), "201");
}

TEST_F(ExternalAccount, FaultA20_IsRefusedWithAnotherKeyOrName) {
  EXPECT_THAT(register_bound({"kid-1", base::base64url("no secret")}).summary(),
              StartsWith("403 unauthorized: "));
  EXPECT_EQ(register_bound({"kid-2", base::base64url("a secret")}).summary(),
            "403 unauthorized: the external account is unknown");
  EXPECT_THAT(register_with({{"externalAccountBinding", {{"protected", "x"}}}}).summary(),
              StartsWith("400 malformed: "));
}

class KeyChange : public FrontEndTest {
 protected:
  // What the inner JWS says is `payload`, its URL `inner_url`.
  Reply change(const Client& client, const crypto::PrivateKey& to, const json& payload,
               const std::string& inner_url = "https://ca.test:8555/key-change") {
    return post(client, url("/key-change"),
                *crypto::sign_jws(to, {.url = inner_url}, payload.dump()));
  }
  json payload(const Client& client) {
    return {{"account", client.account}, {"oldKey", json::parse(client.key.public_jwk())}};
  }
  const crypto::PrivateKey new_key_ = *crypto::PrivateKey::generate(crypto::KeyType::ecdsa_p384);
};

TEST_F(KeyChange, GivesTheAccountAnotherKey) {
  Client client = registered();
  EXPECT_EQ(change(client, new_key_, payload(client)).summary(), "200");
  EXPECT_THAT(order(client, {"a.com"}).summary(), StartsWith("400 malformed: "));
  client.key = *crypto::PrivateKey::from_pem(new_key_.to_pem());
  EXPECT_EQ(order(client, {"a.com"}).summary(), "201");
}

TEST_F(KeyChange, IsRefusedUnlessAllIsRight) {
  const Client client = registered(), other = registered();
  EXPECT_EQ(change(client, new_key_, payload(client), url("/new-order")).summary(),
            "400 malformed: the inner JWS has another \"url\" than the outer");
  json wrong = payload(client);
  wrong["account"] = other.account;
  EXPECT_EQ(change(client, new_key_, wrong).summary(),
            "400 malformed: \"account\" is not the account that signed");
  wrong = payload(client);
  wrong["oldKey"] = json::parse(other.key.public_jwk());
  EXPECT_EQ(change(client, new_key_, wrong).summary(),
            "400 malformed: \"oldKey\" is not the account's key");
  EXPECT_THAT(post(client, url("/key-change"), payload(client)).summary(),
              StartsWith("400 malformed: the inner JWS: "));
  EXPECT_EQ(post(client, url("/key-change"),
                 *crypto::sign_jws(new_key_, {.url = url("/key-change"), .nonce = nonce()}, "{}"))
                .summary(),
            "400 malformed: the inner JWS has a nonce");
  EXPECT_EQ(
      post(client, url("/key-change"),
           *crypto::sign_jws(new_key_, {.url = url("/key-change"), .kid = client.account}, "{}"))
          .summary(),
      "400 malformed: the inner JWS does not bring the new key as \"jwk\"");
}

TEST_F(KeyChange, IsRefusedToTheKeyOfAnAccount) {
  const Client client = registered(), other = registered();
  const Reply refused = change(client, other.key, payload(client));
  EXPECT_EQ(refused.summary(), "409 malformed: the new key is that of an account");
  EXPECT_EQ(refused.header("Location"), other.account);
}

}  // namespace
}  // namespace everseal::ca
