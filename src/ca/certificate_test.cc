#include "ca/front_end_fixture.h"

namespace everseal::ca {
namespace {

using testing::ElementsAre;
using testing::SizeIs;
using testing::StartsWith;
using namespace std::chrono_literals;

class CertificateTest : public FrontEndTest {
 protected:
  const Client client_ = registered();
};

TEST_F(CertificateTest, ComesWithItsChainAndTheOthers) {
  const std::string target = issued(client_, {"a.com"}).at("certificate");
  const Reply chain = post_as_get(client_, target);
  EXPECT_EQ(chain.header("Content-Type"), "application/pem-certificate-chain");
  const auto expected = crypto::verify_chain(
      chain.response.body,
      {.public_key_der = key_.public_key_der(), .names = {"a.com"}, .now = kStart});
  EXPECT_TRUE(expected) << expected.error().message;
  EXPECT_THAT(http::links(chain.response, "alternate"), ElementsAre(target + "/1"));
  const Reply alternate = post_as_get(client_, target + "/1");
  EXPECT_EQ(alternate.summary(), "200");
  EXPECT_NE(alternate.response.body, chain.response.body);
  EXPECT_THAT(http::links(alternate.response, "alternate"), ElementsAre(target));
}

TEST_F(CertificateTest, NamesTheCertificateOfItsIssuer) {
  const json order = issued(client_, {"a.com"});
  const std::string target = order.at("certificate");
  EXPECT_THAT(http::links(post_as_get(client_, target).response, "up"), SizeIs(0));
  const Reply alone = post(client_, target, std::string(), {{"Accept", "application/pkix-cert"}});
  EXPECT_EQ(alone.header("Content-Type"), "application/pkix-cert");
  EXPECT_EQ(alone.response.body, leaf(client_, order).der());
  const auto up = http::links(alone.response, "up");
  ASSERT_THAT(up, SizeIs(1));
  const Reply issuer = get(up[0]);
  EXPECT_EQ(issuer.header("Content-Type"), "application/pkix-cert");
  EXPECT_TRUE(crypto::Certificate::from_der(issuer.response.body)->issued(leaf(client_, order)));
  EXPECT_EQ(get(url("/issuer/9")).summary(), "404 malformed: there is no such issuer");
}

TEST_F(CertificateTest, IsNobodyElses) {
  const std::string target = issued(client_, {"a.com"}).at("certificate");
  EXPECT_EQ(post_as_get(registered(), target).summary(),
            "403 unauthorized: the certificate is another account's");
  EXPECT_EQ(post_as_get(client_, url("/cert/00")).summary(),
            "404 malformed: there is no such certificate");
  for (const char* chain : {"/0", "/2", "/x"})
    EXPECT_EQ(post_as_get(client_, target + chain).summary(),
              "404 malformed: there is no such chain");
}

class Revocation : public CertificateTest {
 protected:
  Reply revoke(const Client& by, json more = {}) {
    more["certificate"] = base::base64url(leaf_.der());
    return post(by, url("/revoke-cert"), more);
  }
  const crypto::Certificate leaf_ = leaf(client_, issued(client_, {"a.com"}));
};

TEST_F(Revocation, IsTheRightOfTheAccount) {
  const Reply revoked = revoke(client_, {{"reason", 4}});
  EXPECT_EQ(revoked.summary(), "200");
  EXPECT_EQ(revoked.response.body, "");
  EXPECT_EQ(revoke(client_).summary(), "400 alreadyRevoked: the certificate is revoked already");
  EXPECT_EQ((*ledger_.certificate(leaf_.serial()))->reason, 4);
}

TEST_F(Revocation, IsTheRightOfTheCertificatesKey) {
  const Client stranger{};
  EXPECT_EQ(revoke(stranger).summary(),
            "403 unauthorized: the request is signed by another key than the certificate's");
  const Client owner{.key = *crypto::PrivateKey::from_pem(key_.to_pem())};
  EXPECT_EQ(revoke(owner, {{"reason", 1}}).summary(), "200");
}

TEST_F(Revocation, IsTheRightOfWhoControlsAllNames) {
  const Client other = registered();
  EXPECT_EQ(revoke(other).summary(),
            "403 unauthorized: the account neither ordered the certificate nor controls all its "
            "names");
  authorize(other, order(other, {"a.com"}).body());
  EXPECT_EQ(revoke(other).summary(), "200");
}

TEST_F(Revocation, HasTheReasonsThatLetsEncryptTakes) {
  for (const int reason : {-1, 2, 3, 6, 7, 8, 9, 10, 11})
    EXPECT_EQ(
        revoke(client_, {{"reason", reason}}).summary(),
        fmt::format("400 badRevocationReason: the reason {} is none of 0, 1, 4 and 5", reason));
  EXPECT_EQ(revoke(client_, {{"reason", "1"}}).summary(),
            "400 malformed: \"reason\" is not an integer");
  EXPECT_EQ(revoke(client_, {{"reason", 5}}).summary(), "200");
}

TEST_F(Revocation, IsOfCertificatesOfOursAlone) {
  const auto refusal = [&](const std::string& der) {
    return post(client_, url("/revoke-cert"), json{{"certificate", base::base64url(der)}})
        .summary();
  };
  EXPECT_EQ(refusal(shared_issuer().roots()[0].certificate().der()),
            "404 malformed: there is no such certificate");
  EXPECT_EQ(refusal("x"), "400 malformed: \"certificate\" is not a certificate");
  EXPECT_EQ(post(client_, url("/revoke-cert"), json::object()).summary(),
            "400 malformed: \"certificate\" is missing");
}

class RevocationLists : public Revocation {
 protected:
  std::string list() {
    const std::string issuer = (*ledger_.certificate(leaf_.serial()))->issuer;
    const Reply list = get("http://ca.test:8555/crl/" + issuer + ".crl");
    EXPECT_EQ(list.header("Content-Type"), "application/pkix-crl");
    return list.response.body;
  }
};

TEST_F(RevocationLists, AreSignedAnewAfterARevocationAndEachHour) {
  const std::string first = list();
  EXPECT_EQ(list(), first);
  revoke(client_);
  const std::string second = list();
  EXPECT_NE(second, first);
  EXPECT_NE(second.find(*base::decode_hex(leaf_.serial())), second.npos);
  advance(1h);
  EXPECT_NE(list(), second);
  EXPECT_EQ(*ledger_.value("crl " + (*ledger_.certificate(leaf_.serial()))->issuer), 3);
}

TEST_F(RevocationLists, AreOfOurIssuers) {
  for (const char* file : {"9.crl", "1", "1.crl.crl", ".crl"})
    EXPECT_EQ(get(url("/crl/") + file).summary(),
              "404 malformed: there is no such revocation list");
}

TEST_F(Revocation, OcspIsThereByOption) {
  EXPECT_EQ(post_raw("http://ca.test:8555/ocsp", "x").summary(),
            "404 malformed: there is no such resource");
  use({.ocsp = true});
  const Reply answer = post_raw("http://ca.test:8555/ocsp", "x");
  EXPECT_EQ(answer.header("Content-Type"), "application/ocsp-response");
  EXPECT_EQ(get("http://ca.test:8555/ocsp/eA%3D%3D").response.body, answer.response.body);
  EXPECT_THAT(leaf(client_, issued(client_, {"b.com"})).der(),
              testing::HasSubstr("http://ca.test:8555/ocsp"));
}

class RenewalInfo : public CertificateTest {
 protected:
  json window(const crypto::Certificate& certificate) {
    return get(url("/renewal-info/") + certificate_id(certificate)).body().at("suggestedWindow");
  }
  static json window(const char* start, const char* end) {
    return {{"start", start}, {"end", end}};
  }
};

TEST_F(RenewalInfo, SuggestsTwoThirdsOfTheLife) {
  const auto certificate = leaf(client_, issued(client_, {"a.com"}));
  const Reply info = get(url("/renewal-info/") + certificate_id(certificate));
  EXPECT_EQ(info.header("Retry-After"), "21600");
  EXPECT_EQ(info.body().at("suggestedWindow"),
            window("2027-01-19T05:24:00Z", "2027-01-21T00:36:00Z"));
  EXPECT_FALSE(info.body().contains("explanationURL"));
}

TEST_F(RenewalInfo, SuggestsHalfOfAShortLife) {
  const auto certificate = leaf(client_, issued(client_, {"a.com"}, {{"profile", "shortlived"}}));
  EXPECT_EQ(window(certificate), window("2026-11-24T09:24:00Z", "2026-11-24T12:36:00Z"));
}

TEST_F(RenewalInfo, OfARevokedCertificateIsInThePast) {
  const auto certificate = leaf(client_, issued(client_, {"a.com"}));
  ASSERT_TRUE(ledger_.revoke(certificate.serial(), kStart, 0));
  EXPECT_EQ(window(certificate), window("2026-11-21T03:00:00Z", "2026-11-21T03:30:00Z"));
}

TEST_F(RenewalInfo, IsWhatWasSetInAnIncident) {
  const auto certificate = leaf(client_, issued(client_, {"a.com"}));
  ASSERT_TRUE(ledger_.set_renewal_window_of_all(
      kStart, {kStart - 2h, kStart - 1h, "https://ca.test/incident"}));
  const Reply info = get(url("/renewal-info/") + certificate_id(certificate));
  EXPECT_EQ(info.body().at("suggestedWindow"),
            window("2026-11-21T02:00:00Z", "2026-11-21T03:00:00Z"));
  EXPECT_EQ(info.body().at("explanationURL"), "https://ca.test/incident");
}

TEST_F(RenewalInfo, IsOfOurCertificatesAlone) {
  for (const char* bad : {"x", ".", "AA.", ".AA", "A.A", "!.AA"})
    EXPECT_EQ(get(url("/renewal-info/") + bad).summary(),
              "400 malformed: not the identifier of a certificate (RFC 9773, section 4.1)");
  const auto certificate = leaf(client_, issued(client_, {"a.com"}));
  const std::string id = certificate_id(certificate);
  EXPECT_EQ(get(url("/renewal-info/AAAA") + id.substr(id.find('.'))).summary(),
            "404 malformed: there is no such certificate");
}

class Replacement : public RenewalInfo {
 protected:
  json replacing(const crypto::Certificate& certificate) {
    return {{"replaces", certificate_id(certificate)}};
  }
  const crypto::Certificate leaf_ = leaf(client_, issued(client_, {"a.com", "b.com"}));
};

TEST_F(Replacement, IsMadeOnce) {
  const json done = issued(client_, {"a.com"}, replacing(leaf_));
  EXPECT_EQ(done.at("replaces"), certificate_id(leaf_));
  EXPECT_EQ(order(client_, {"a.com"}, replacing(leaf_)).summary(),
            "409 alreadyReplaced: another order has replaced the certificate " + leaf_.serial());
}

TEST_F(Replacement, OfAnOrderThatCameToNothingIsFree) {
  EXPECT_EQ(order(client_, {"a.com"}, replacing(leaf_)).summary(), "201");
  EXPECT_EQ(order(client_, {"a.com"}, replacing(leaf_)).summary(), "201");
}

TEST_F(Replacement, IsForTheAccountAndANameOfTheCertificate) {
  EXPECT_EQ(order(registered(), {"a.com"}, replacing(leaf_)).summary(),
            "403 unauthorized: the certificate to be replaced is another account's");
  EXPECT_EQ(order(client_, {"c.com"}, replacing(leaf_)).summary(),
            "400 malformed: the certificate to be replaced has none of the order's names");
  EXPECT_THAT(order(client_, {"a.com"}, {{"replaces", "x"}}).summary(),
              StartsWith("400 malformed: not the identifier of a certificate"));
}

}  // namespace
}  // namespace everseal::ca
