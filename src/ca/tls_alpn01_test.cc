#include "ca/tls_alpn01.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "ca/stranger_in_thread.h"
#include "ca/validation_fixture.h"
#include "ca/x509.h"
#include "crypto/der.h"
#include "crypto/jws.h"

namespace everseal::ca {
namespace {

namespace der = crypto::der;
using testing::StartsWith;
using x509::Weight;

constexpr const char* kAcmeIdentifier = "1.3.6.1.5.5.7.1.31";

std::string acme_identifier(std::string_view key_authorization, Weight weight = Weight::critical) {
  return x509::extension(kAcmeIdentifier, weight,
                         der::octet_string(crypto::sha256(key_authorization)));
}

std::string names(const std::vector<std::string>& dns_names,
                  const std::vector<std::string>& addresses = {}) {
  return *x509::alternative_name(dns_names, addresses, Weight::normal);
}

class TlsAlpn01Test : public ValidationTest {
 protected:
  crypto::Certificate certificate(const std::string& extensions,
                                  const crypto::PrivateKey* issuer = nullptr) const {
    x509::Certificate content{.serial = "\x01",
                              .issuer = x509::name("", "c"),
                              .subject = x509::name("", "c"),
                              .not_before = base::real_clock().now(),
                              .not_after = base::real_clock().now() + std::chrono::hours(1),
                              .public_key = key_.public_key_der(),
                              .extensions = extensions};
    const std::string pem = (issuer ? *issuer : key_).to_pem();
    return *crypto::Certificate::from_der(
        *x509::sign_certificate(content, OwnKey(*crypto::PrivateKey::from_pem(pem))));
  }

  std::string fault(const std::string& extensions) const {
    return fault_of(certificate(extensions), validation_);
  }

  std::string verdict_of(std::uint16_t port) {
    settings_.tls_port = port;
    return verdict(prove_tls_alpn_01(context()));
  }

  // What comes of a server with this certificate that agrees on this protocol.
  std::string verdict_with(const std::string& extensions, const std::string& protocol) {
    StrangerInThread server(
        "127.0.0.1", 0, [](auto&) { return StrangerInThread::Answer{}; },
        StrangerInThread::Tls{.certificate_pem = certificate(extensions).pem(),
                              .key_pem = key_.to_pem(),
                              .protocol = protocol});
    std::string result = verdict_of(server.port());
    const std::string where = fmt::format("connect to 127.0.0.1:{}: ", server.port());
    const std::size_t at = result.find(where);
    return at == result.npos ? result : result.erase(at, where.size());
  }

  crypto::PrivateKey key_ = *crypto::PrivateKey::generate(crypto::KeyType::ecdsa_p256);
  const std::string right_ = names({"a.example"}) + acme_identifier("token.thumbprint");
};

TEST_F(TlsAlpn01Test, TakesTheCertificateThatIsMadeForIt) {
  EXPECT_EQ(verdict_with(right_, "acme-tls/1"), "proven");
  EXPECT_EQ(fault(names({"A.Example"}) + acme_identifier("token.thumbprint")), "");
}

TEST_F(TlsAlpn01Test, RefusesAServerThatDoesNotKnowTheProtocol) {
  EXPECT_EQ(verdict_with(right_, ""), "unauthorized: the server did not agree on acme-tls/1");
}

TEST_F(TlsAlpn01Test, RefusesACertificateOfAnotherAccount) {
  EXPECT_EQ(verdict_with(names({"a.example"}) + acme_identifier("token.other"), "acme-tls/1"),
            "unauthorized: the certificate has another acmeIdentifier than the digest of the key "
            "authorization");
}

TEST_F(TlsAlpn01Test, RefusesOtherNames) {
  const std::string identifier = acme_identifier("token.thumbprint");
  const std::string expected = "does not name a.example alone";
  EXPECT_EQ(fault(identifier), expected);
  EXPECT_EQ(fault(names({"b.example"}) + identifier), expected);
  EXPECT_EQ(fault(names({"a.example", "b.example"}) + identifier), expected);
  EXPECT_EQ(fault(names({"a.example", "a.example"}) + identifier), expected);
  EXPECT_EQ(fault(names({"a.example"}, {"127.0.0.1"}) + identifier), expected);
  EXPECT_EQ(fault(names({"a.example"}) + names({"a.example"}) + identifier), expected);
}

TEST_F(TlsAlpn01Test, WantsTheIdentifierOnceAndCritical) {
  const std::string name = names({"a.example"}), identifier = acme_identifier("token.thumbprint");
  EXPECT_EQ(fault(name), "has not one acmeIdentifier extension");
  EXPECT_EQ(fault(name + identifier + identifier), "has not one acmeIdentifier extension");
  EXPECT_EQ(fault(name + acme_identifier("token.thumbprint", Weight::normal)),
            "has an acmeIdentifier extension that is not critical");
  EXPECT_EQ(fault(name + x509::extension(kAcmeIdentifier, Weight::critical,
                                         crypto::sha256("token.thumbprint"))),
            "has another acmeIdentifier than the digest of the key authorization");
}

TEST_F(TlsAlpn01Test, RefusesWhatAnotherKeySigned) {
  const auto other = *crypto::PrivateKey::generate(crypto::KeyType::ecdsa_p256);
  EXPECT_EQ(fault_of(certificate(right_, &other), validation_), "is not self-signed");
}

TEST_F(TlsAlpn01Test, ValidatesAddresses) {
  validation_.name = "127.0.0.1";
  EXPECT_EQ(
      verdict_with(names({}, {"127.0.0.1"}) + acme_identifier("token.thumbprint"), "acme-tls/1"),
      "proven");
  EXPECT_EQ(fault(names({"127.0.0.1"}) + acme_identifier("token.thumbprint")),
            "does not name 127.0.0.1 alone");
}

// RFC 8738 §6.
TEST(ServerName, OfAnAddressIsThatOfItsReverseMapping) {
  EXPECT_EQ(server_name_for("a.example"), "a.example");
  EXPECT_EQ(server_name_for("192.0.2.1"), "1.2.0.192.in-addr.arpa");
  EXPECT_EQ(server_name_for("2001:db8::567:89ab"),
            "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
}

TEST_F(TlsAlpn01Test, TellsConnectionsFromTls) {
  EXPECT_EQ(verdict_of(1), "connection: connect to 127.0.0.1:1: Connection refused");
  StrangerInThread plain("127.0.0.1", 0, [](auto&) { return StrangerInThread::ok(""); });
  settings_.step_timeout = base::Milliseconds(200);
  EXPECT_EQ(verdict_of(plain.port()),
            fmt::format("tls: connect to 127.0.0.1:{}: no answer in time", plain.port()));
}

TEST_F(TlsAlpn01Test, TurnsToIpv4WhereIpv6RefusesTheConnection) {
  resolver_.put("a.example", {.v6 = {"::1"}, .v4 = {"127.0.0.1"}});
  EXPECT_EQ(verdict_with(right_, "acme-tls/1"), "proven");
}

}  // namespace
}  // namespace everseal::ca
