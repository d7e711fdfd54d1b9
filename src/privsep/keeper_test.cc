#include "privsep/keeper.h"

#include <gmock/gmock.h>
#include <sys/mman.h>

#include <nlohmann/json.hpp>

#include "base/encoding.h"
#include "crypto/received_jws.h"

namespace everseal::privsep {
namespace {

using nlohmann::json;
using testing::HasSubstr;
namespace payload = acme::payload;

base::FileDescriptor memory_file() { return base::FileDescriptor(::memfd_create("key", 0)); }

// FaultS11 of the acceptance table: whoever asks may be a stranger.
class KeeperTest : public testing::Test {
 protected:
  KeeperTest() {
    EXPECT_TRUE(keeper_.use_ca("https://ca.test/dir"));
    EXPECT_TRUE(keeper_.make_account_key(account_));
    EXPECT_TRUE(keeper_.use_account("https://ca.test/account/1"));
    EXPECT_TRUE(keeper_.make_key(7, kOrder, crypto::KeyType::ecdsa_p256, key_));
  }

  // The payload that was signed, or the refusal.
  std::string sign(const crypto::JwsHeader& header, const acme::Payload& payload) {
    const auto jws = keeper_.sign(header, payload);
    if (!jws) return jws.error().message;
    return *base::decode_base64url(json::parse(*jws).at("payload").get<std::string>());
  }
  std::string sign(const acme::Payload& payload, const std::string& url = "https://ca.test/x") {
    return sign({.url = url, .nonce = "n", .kid = "https://ca.test/account/1"}, payload);
  }

  const acme::payload::NewOrder kOrder{{"b.com", "a.com"}, "aYhb-_.AIdl", "shortlived"};
  Keeper keeper_;
  const base::FileDescriptor account_ = memory_file(), key_ = memory_file();
};

TEST_F(KeeperTest, SignsWhatAnIssuanceNeeds) {
  EXPECT_EQ(sign(payload::PostAsGet()), "");
  EXPECT_EQ(sign(payload::AnswerChallenge()), "{}");
  EXPECT_EQ(sign(payload::NewOrder{{"a.com", "b.com"}}),
            R"({"identifiers":[{"type":"dns","value":"a.com"},{"type":"dns","value":"b.com"}]})");
  EXPECT_EQ(sign(payload::NewOrder{{"a.com", "b.com"}, "aYhb-_.AIdl", "shortlived"}),
            R"({"identifiers":[{"type":"dns","value":"a.com"},{"type":"dns","value":"b.com"}],)"
            R"("replaces":"aYhb-_.AIdl","profile":"shortlived"})");
  EXPECT_THAT(sign(payload::Finalize{7}), HasSubstr(R"({"csr":")"));
  EXPECT_EQ(sign(payload::Deactivate(), "https://ca.test/authz/9"), R"({"status":"deactivated"})");
}

TEST_F(KeeperTest, SignsForNoOtherOrigin) {
  for (const char* url : {"https://evil.test/x", "https://ca.test:444/x", "http://ca.test/x",
                          "https://ca.test@evil.test/", "https://ca.test.evil.test/", ""})
    EXPECT_THAT(sign(payload::PostAsGet(), url), HasSubstr("is not at the CA")) << url;
  EXPECT_EQ(sign({.url = "https://ca.test/x", .nonce = "n", .kid = "https://evil.test/1"},
                 payload::PostAsGet()),
            "not signed: the account is not named as it must be");
}

// Whatever a CA makes of another spelling: the account is one that the monitor has named.
TEST_F(KeeperTest, FaultS10_SignsForNoOtherAccount) {
  const std::string refusal = "not signed: the account is not named as it must be";
  for (const char* kid :
       {"https://ca.test/account/01", "https://ca.test/account/1/", "https://ca.test/Account/1",
        "https://ca.test:443/account/1", "https://ca.test/account/2", "https://ca.test/x"})
    for (const acme::Payload& each :
         {acme::Payload(payload::PostAsGet()), acme::Payload(payload::Deactivate()),
          acme::Payload(payload::NewOrder(kOrder))})
      EXPECT_EQ(sign({.url = "https://ca.test/account/1", .nonce = "n", .kid = kid}, each), refusal)
          << kid;
  Keeper fresh;
  ASSERT_TRUE(fresh.use_ca("https://ca.test/dir"));
  ASSERT_TRUE(fresh.make_account_key(memory_file()));
  const crypto::JwsHeader header{.url = "https://ca.test/x", .kid = "https://ca.test/account/1"};
  EXPECT_EQ(fresh.sign(header, payload::PostAsGet()).error().message, refusal);
  EXPECT_EQ(fresh.use_account("https://evil.test/1").error().message,
            "the account https://evil.test/1 is not at the CA");
}

TEST_F(KeeperTest, FaultS10_ChangesNothingOfTheAccount) {
  const std::string account = "https://ca.test/account/1",
                    refusal = "not signed: this could change the account";
  EXPECT_EQ(sign(payload::PostAsGet(), account), "");
  EXPECT_EQ(sign(payload::AnswerChallenge(), account), refusal);
  EXPECT_EQ(sign(payload::NewOrder(kOrder), account), refusal);
  EXPECT_EQ(sign(payload::Finalize{7}, account), refusal);
  EXPECT_EQ(sign(payload::ChangeKey(), account), refusal);
  EXPECT_EQ(sign(payload::Deactivate(), account), refusal);
}

TEST_F(KeeperTest, OrdersNoNameThatIsNotPlanned) {
  const std::string refusal = "not signed: an order that is not planned";
  EXPECT_EQ(sign(payload::NewOrder{{"a.com"}}), refusal);
  EXPECT_EQ(sign(payload::NewOrder{{"a.com", "b.com", "c.com"}}), refusal);
  EXPECT_EQ(sign(payload::NewOrder{{}}), refusal);
  EXPECT_EQ(sign(payload::Finalize{8}), "not signed: a certificate that is not planned");
}

TEST_F(KeeperTest, FaultS10_OrdersWithNothingElseThanPlanned) {
  const std::string refusal = "not signed: an order that is not planned";
  EXPECT_EQ(sign(payload::NewOrder{{"a.com", "b.com"}, "another.one", ""}), refusal);
  EXPECT_EQ(sign(payload::NewOrder{{"a.com", "b.com"}, "", "tlsclient"}), refusal);
  EXPECT_EQ(sign(payload::NewOrder{{"a.com", "b.com"}, R"(x","y":")", ""}), refusal);
  keeper_.use_request(7, {{"c.com"}, "", ""}, "DER");
  EXPECT_EQ(sign(payload::NewOrder{{"a.com", "b.com"}}), refusal) << "what was planned before";
}

TEST_F(KeeperTest, OrdersNothingThatEndsAString) {
  keeper_.use_request(8, {{"c.com"}, R"(x","y":")", "\\"}, "DER");
  EXPECT_EQ(sign(payload::NewOrder{{"c.com"}, R"(x","y":")", ""}),
            R"(an order cannot have the replaces 'x","y":"')");
  EXPECT_EQ(sign(payload::NewOrder{{"c.com"}, "", "\\"}),
            R"(an order cannot have the profile '\')");
}

TEST_F(KeeperTest, FaultS11_OrdersNoMoreThanCanBeNeeded) {
  std::string last;
  for (int i = 0; i < 61; ++i) last = sign(payload::NewOrder(kOrder));
  EXPECT_EQ(last, "not signed: more orders than this certificate can need");
  for (int i = 0; i < 61; ++i) last = sign(payload::Finalize{7});
  EXPECT_EQ(last, "not signed: more requests than this certificate can need");
  for (int i = 0; i < 81; ++i) last = sign(payload::Deactivate(), "https://ca.test/authz/9");
  EXPECT_EQ(last, "not signed: more authorizations than these certificates can need");
}

TEST_F(KeeperTest, MakesNoAccountUnlessItIsAllowed) {
  const crypto::JwsHeader header{.url = "https://ca.test/new-account", .nonce = "n"};
  EXPECT_EQ(sign(header, payload::NewAccount()), "not signed: no account may be made");
  keeper_.allow_registration({.contacts = {"a@b.com"}, .terms_agreed = true});
  EXPECT_EQ(sign(header, payload::NewAccount()),
            R"({"termsOfServiceAgreed":true,"contact":["mailto:a@b.com"]})");
  for (int i = 0; i < 30; ++i) sign(header, payload::NewAccount());
  EXPECT_EQ(sign(header, payload::NewAccount()), "not signed: no account may be made");
}

// RFC 8555 §7.3.5.
TEST_F(KeeperTest, ChangesTheAccountsKeyOnlyWhereThatIsAllowed) {
  const std::string refusal = "not signed: the account's key is not to be changed";
  EXPECT_EQ(sign(payload::ChangeKey()), refusal);
  EXPECT_EQ(keeper_.allow_key_change().error().message, "there is no next key");
  const base::FileDescriptor next = memory_file();
  const std::string next_thumbprint = *keeper_.make_next_key(next);
  EXPECT_EQ(sign(payload::ChangeKey()), refusal);
  ASSERT_TRUE(keeper_.allow_key_change());

  const json inner = json::parse(sign(payload::ChangeKey(), "https://ca.test/key-change"));
  const auto part = [&](const char* name) {
    return json::parse(*base::decode_base64url(inner.at(name).get<std::string>()));
  };
  EXPECT_EQ(part("protected").at("url"), "https://ca.test/key-change");
  EXPECT_FALSE(part("protected").contains("nonce"));
  EXPECT_FALSE(part("protected").contains("kid"));
  EXPECT_EQ(part("payload").at("account"), "https://ca.test/account/1");
  const std::string next_jwk = part("protected").at("jwk").dump();
  EXPECT_EQ(base::base64url(crypto::sha256(next_jwk)), next_thumbprint);
  EXPECT_NE(part("payload").at("oldKey").dump(), next_jwk);
  const auto jws = crypto::parse_jws(inner.dump());
  ASSERT_TRUE(jws) << jws.error().message;
  EXPECT_TRUE(jws->verify(*crypto::PublicKey::from_jwk(next_jwk)));

  EXPECT_THAT(sign(payload::ChangeKey(), "https://evil.test/x"), HasSubstr("is not at the CA"));
  EXPECT_EQ(sign({.url = "https://ca.test/x", .nonce = "n"}, payload::ChangeKey()),
            "not signed: the account is not named as it must be");
  ASSERT_TRUE(keeper_.choose(acme::AccountKey::next));
  EXPECT_EQ(sign(payload::ChangeKey()), refusal);
  ASSERT_TRUE(keeper_.choose(acme::AccountKey::present));
  EXPECT_EQ(sign(payload::ChangeKey()), refusal) << "once it is asked which key counts";
}

TEST_F(KeeperTest, SignsByTheKeyThatIsChosen) {
  const crypto::JwsHeader header{.url = "https://ca.test/new-account", .nonce = "n"};
  const auto key_of = [&] {
    const json jws = json::parse(*keeper_.sign(header, payload::FindAccount()));
    return json::parse(*base::decode_base64url(jws.at("protected").get<std::string>())).at("jwk");
  };
  EXPECT_EQ(keeper_.choose(acme::AccountKey::next).error().message, "there is no next key");
  const json present = key_of();
  ASSERT_TRUE(keeper_.make_next_key(memory_file()));
  EXPECT_EQ(key_of(), present);
  ASSERT_TRUE(keeper_.choose(acme::AccountKey::next));
  EXPECT_NE(key_of(), present);
  ASSERT_TRUE(keeper_.choose(acme::AccountKey::present));
  EXPECT_EQ(key_of(), present);
}

TEST_F(KeeperTest, UsesRequestsWhoseKeyIsNotOurs) {
  keeper_.use_request(9, {{"c.com"}, "", ""}, "DER");
  EXPECT_THAT(sign(payload::NewOrder{{"c.com"}}), HasSubstr("c.com"));
  EXPECT_EQ(sign(payload::Finalize{9}), R"({"csr":"REVS"})");
}

// Whatever else is signed by the key itself would be a request of another account.
TEST_F(KeeperTest, EmbedsItsKeyOnlyWhereAnAccountIsAskedFor) {
  EXPECT_EQ(sign({.url = "https://ca.test/x", .nonce = "n"}, payload::PostAsGet()),
            "not signed: the account is not named as it must be");
  EXPECT_EQ(sign(payload::FindAccount()), "not signed: the account is not named as it must be");
}

// Also not by a URL that a server could take for the account's.
TEST_F(KeeperTest, FaultS10_NeverDeactivatesTheAccount) {
  EXPECT_EQ(sign(payload::Deactivate(), "https://ca.test/account/1"),
            "not signed: this could change the account");
  for (const char* url :
       {"https://ca.test/account/1/", "https://ca.test/account/1?x", "https://ca.test/ACCOUNT/1",
        "https://ca.test//account/1", "https://ca.test/a/../account/1",
        "https://ca.test/account%2f1", "https://ca.test/account/1#x", "https://ca.test/./account/1",
        "https://ca.test/account/01", "https://ca.test/account/001", "https://ca.test/account/2",
        "https://ca.test/account/1/deactivate", "https://ca.test/reg/1", "https://ca.test/reg/01",
        "https://ca.test:443/account/1", "https://ca.test"})
    EXPECT_EQ(sign(payload::Deactivate(), url), "not signed: this could deactivate the account")
        << url;
  EXPECT_EQ(sign(payload::Deactivate(), "https://ca.test/authz/1/7"),
            R"({"status":"deactivated"})");
}

TEST_F(KeeperTest, SignsNoMoreThanCanBeNeeded) {
  std::string last;
  for (int i = 0; i < 20'000; ++i) {
    last = sign(payload::PostAsGet());
    if (!last.empty()) break;
  }
  EXPECT_EQ(last, "not signed: more signatures than these certificates can need");
}

TEST_F(KeeperTest, WritesKeysThatCanBeOpenedAgain) {
  ::lseek(account_.get(), 0, SEEK_SET);
  ::lseek(key_.get(), 0, SEEK_SET);
  Keeper again;
  ASSERT_TRUE(again.use_ca("https://ca.test/dir"));
  EXPECT_TRUE(again.open_account_key(account_));
  EXPECT_TRUE(again.open_key(1, kOrder, key_));
}

TEST_F(KeeperTest, RefusesAFileWithoutAKey) {
  const auto file = memory_file();
  const auto opened = keeper_.open_key(1, kOrder, file);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().kind, ErrorKind::invalid);
  EXPECT_EQ(opened.error().message, "the certificate's key: not an unencrypted private key in PEM");
}

}  // namespace
}  // namespace everseal::privsep
