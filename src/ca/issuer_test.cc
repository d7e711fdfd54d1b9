#include "ca/issuer.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <set>

#include "base/encoding.h"
#include "base/fake_file_system.h"
#include "ca/x509.h"
#include "crypto/certificate.h"
#include "crypto/inspection.h"

namespace everseal::ca {
namespace {

using base::FakeFileSystem;
using crypto::Certificate;
using crypto::KeyType;
using crypto::PrivateKey;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;

const Time kNow = *base::parse_rfc3339("2026-11-21T12:00:00Z");
const std::string kDirectory = "/var/lib/everseal/ca";

LeafRequest request_for(const PrivateKey& key) {
  return {.public_key_der = key.public_key_der(),
          .dns_names = {"a.example", "*.b.example"},
          .not_before = kNow,
          .not_after = kNow + std::chrono::days(45) - base::Seconds(1),
          .serial = "9f0102030405060708090a0b0c0d0e0f10",
          .crl_directory_url = "http://ca.test/crl/"};
}

class IssuerTest : public testing::Test {
 protected:
  Certificate issue(const LeafRequest& request) const {
    const auto issued = issuer_.issue(request);
    EXPECT_TRUE(issued) << issued.error().message;
    return *Certificate::from_der(issued->der);
  }
  std::string refusal(const LeafRequest& request) const {
    const auto issued = issuer_.issue(request);
    return issued ? "issued" : issued.error().message;
  }

  FakeFileSystem files_;
  Issuer issuer_ = *Issuer::open(files_, kDirectory, kNow);
  PrivateKey key_ = *PrivateKey::generate(KeyType::ecdsa_p256);
};

TEST_F(IssuerTest, MakesTwoRootsAndTwoIntermediates) {
  std::vector<std::string> names;
  for (const auto& [path, bytes] : files_.all()) names.push_back(path.substr(kDirectory.size()));
  EXPECT_THAT(names, ElementsAre("/intermediate-1-by-root-2.pem", "/intermediate-1.key",
                                 "/intermediate-1.pem", "/intermediate-2-by-root-2.pem",
                                 "/intermediate-2.key", "/intermediate-2.pem", "/root-1.key",
                                 "/root-1.pem", "/root-2.key", "/root-2.pem"));
  for (const auto& [path, bytes] : files_.all())
    EXPECT_EQ(files_.status(path)->mode, path.ends_with(".key") ? 0600u : 0644u) << path;
  EXPECT_EQ(files_.status(kDirectory)->mode, 0700u);
}

TEST_F(IssuerTest, KeepsItsKeys) {
  const auto before = files_.all();
  const auto again = *Issuer::open(files_, kDirectory, kNow + std::chrono::days(300));
  EXPECT_EQ(files_.all(), before);
  EXPECT_EQ(again.roots().front().certificate().der(), issuer_.roots().front().certificate().der());
}

// Every moment of the first start is followed by another start.
TEST_F(IssuerTest, BecomesWholeAfterAPowerCutAtAnyStep) {
  const std::size_t steps = files_.journal().size();
  for (std::size_t step = 1; step <= steps; step++) {
    FakeFileSystem files;
    files.fail_from(static_cast<int>(step), EIO);
    EXPECT_FALSE(Issuer::open(files, kDirectory, kNow)) << step;
    files.heal();
    files.cut_power();
    const auto issuer = Issuer::open(files, kDirectory, kNow);
    ASSERT_TRUE(issuer) << step << ": " << issuer.error().message;
    files.cut_power();
    EXPECT_TRUE(Issuer::open(files, kDirectory, kNow)) << step;
  }
}

TEST_F(IssuerTest, NeedsNoRootKeyOnceItsIntermediatesAreMade) {
  ASSERT_TRUE(files_.remove(kDirectory + "/root-1.key"));
  ASSERT_TRUE(files_.remove(kDirectory + "/root-2.key"));
  EXPECT_TRUE(Issuer::open(files_, kDirectory, kNow));
  const auto later = Issuer::open(files_, kDirectory, kNow + std::chrono::days(4 * 365));
  ASSERT_TRUE(later) << later.error().message;
  EXPECT_THAT(later->intermediates(), SizeIs(2));
  EXPECT_EQ(base::to_rfc3339(later->not_after()), "2031-11-20T10:59:59Z");
  ASSERT_TRUE(files_.remove(kDirectory + "/intermediate-2.pem"));
  EXPECT_EQ(Issuer::open(files_, kDirectory, kNow).error().message,
            "open /var/lib/everseal/ca/root-1.key: No such file or directory");
}

TEST_F(IssuerTest, MakesNewIntermediatesBeforeTheOldOnesEnd) {
  const auto later = *Issuer::open(files_, kDirectory, kNow + std::chrono::days(4 * 365));
  EXPECT_THAT(later.intermediates(), SizeIs(4));
  EXPECT_EQ(later.intermediates().back().id(), "4");
  EXPECT_TRUE(later.chains(issuer_.issue(request_for(key_))->der));
}

TEST_F(IssuerTest, RefusesAKeyOfAnotherCertificate) {
  const std::string path = kDirectory + "/intermediate-1.key";
  ASSERT_TRUE(files_.remove(path));
  files_.put(path, key_.to_pem(), 0600);
  EXPECT_EQ(
      Issuer::open(files_, kDirectory, kNow).error().message,
      kDirectory + "/intermediate-1-by-root-2.pem: its key is another than the one beside it");
}

TEST_F(IssuerTest, ChainsLeadToEachRoot) {
  const auto issued = *issuer_.issue(request_for(key_));
  const auto chains = *issuer_.chains(issued.der);
  ASSERT_THAT(chains, SizeIs(2));
  for (std::size_t i = 0; i < chains.size(); i++) {
    const auto chain = *crypto::verify_chain(
        chains[i], {key_.public_key_der(), {"a.example", "*.b.example"}, kNow});
    EXPECT_THAT(chain.certificates(), SizeIs(2));
    EXPECT_TRUE(issuer_.roots()[i].certificate().issued(chain.topmost()));
    EXPECT_THAT(chain.topmost().issuer_common_name(),
                StartsWith(fmt::format("Everseal Root {} ", i + 1)));
  }
  EXPECT_EQ(issuer_.chains(issuer_.roots().front().certificate().der()).error().message,
            "the certificate is not of this CA");
}

TEST_F(IssuerTest, ChoosesItsIntermediateByTheSerial) {
  std::set<std::string> seen;
  for (char digit = '0'; digit <= '9'; digit++) {
    LeafRequest request = request_for(key_);
    request.serial.back() = digit;
    seen.insert(issuer_.issue(request)->issuer);
    EXPECT_EQ(issuer_.issue(request)->issuer, issuer_.issue(request)->issuer);
  }
  EXPECT_THAT(seen, ElementsAre("1", "2"));
}

// The profiles tlsserver and shortlived: nothing that a TLS server does not need.
TEST_F(IssuerTest, WritesALeafByDefaultWithNamesOnly) {
  LeafRequest request = request_for(key_);
  request.addresses = {"192.0.2.1", "2001:db8::1"};
  const auto issued = *issuer_.issue(request);
  const Certificate leaf = *Certificate::from_der(issued.der);
  EXPECT_EQ(leaf.serial(), "9f0102030405060708090a0b0c0d0e0f10");
  EXPECT_EQ(leaf.subject(), "");
  EXPECT_EQ(leaf.not_before(), kNow);
  EXPECT_EQ(leaf.not_after() + base::Seconds(1), kNow + std::chrono::days(45));
  EXPECT_EQ(crypto::extensions_text(leaf),
            fmt::format("X509v3 Key Usage: critical\n"
                        "    Digital Signature\n"
                        "X509v3 Extended Key Usage: \n"
                        "    TLS Web Server Authentication\n"
                        "X509v3 Basic Constraints: critical\n"
                        "    CA:FALSE\n"
                        "X509v3 Authority Key Identifier: \n"
                        "    {}\n"
                        "X509v3 Subject Alternative Name: critical\n"
                        "    DNS:a.example, DNS:*.b.example, IP Address:192.0.2.1, IP "
                        "Address:2001:DB8:0:0:0:0:0:1\n"
                        "X509v3 CRL Distribution Points: \n"
                        "    Full Name:\n"
                        "      URI:http://ca.test/crl/{}.crl\n",
                        crypto::colons(leaf.authority_key_id()), issued.issuer));
}

TEST_F(IssuerTest, WritesAClassicLeaf) {
  const PrivateKey rsa = *PrivateKey::generate(KeyType::rsa_2048);
  LeafRequest request = request_for(rsa);
  request.common_name = request.key_encipherment = request.subject_key_id = true;
  request.dns_names.insert(request.dns_names.begin(), std::string(60, 'x') + ".example");
  request.ocsp_url = "http://ca.test/ocsp";
  const Certificate leaf = issue(request);
  EXPECT_EQ(leaf.subject(), "CN=a.example");
  EXPECT_EQ(leaf.subject_key_id(), x509::key_identifier(rsa.public_key_der()));
  EXPECT_THAT(crypto::extensions_text(leaf),
              AllOf(HasSubstr("X509v3 Key Usage: critical\n"
                              "    Digital Signature, Key Encipherment\n"),
                    HasSubstr("X509v3 Subject Alternative Name: \n"),
                    HasSubstr("Authority Information Access: \n"
                              "    OCSP - URI:http://ca.test/ocsp\n")));
  request.public_key_der = key_.public_key_der();
  EXPECT_THAT(crypto::extensions_text(issue(request)), Not(HasSubstr("Encipherment")));
}

TEST_F(IssuerTest, WritesCertificatesOfCas) {
  const auto& intermediate = issuer_.intermediates().front();
  EXPECT_EQ(crypto::extensions_text(intermediate.certificates().front()),
            fmt::format("X509v3 Key Usage: critical\n"
                        "    Digital Signature, Certificate Sign, CRL Sign\n"
                        "X509v3 Subject Key Identifier: \n"
                        "    {}\n"
                        "X509v3 Basic Constraints: critical\n"
                        "    CA:TRUE, pathlen:0\n"
                        "X509v3 Extended Key Usage: \n"
                        "    TLS Web Server Authentication\n"
                        "X509v3 Authority Key Identifier: \n"
                        "    {}\n",
                        crypto::colons(intermediate.key_identifier()),
                        crypto::colons(issuer_.roots().front().certificate().subject_key_id())));
  EXPECT_TRUE(issuer_.roots().front().certificate().self_signed());
}

TEST_F(IssuerTest, RefusesWhatACertificateCannotSay) {
  const auto with = [&](auto change) {
    LeafRequest request = request_for(key_);
    change(request);
    return refusal(request);
  };
  EXPECT_EQ(with([](LeafRequest& r) { r.dns_names.clear(); }), "a certificate needs a name");
  EXPECT_EQ(with([](LeafRequest& r) { r.addresses = {"1.2.3"}; }), "not an address: 1.2.3");
  EXPECT_EQ(with([](LeafRequest& r) { r.serial = "01020304050607"; }),
            "not a serial: 01020304050607");
  EXPECT_EQ(with([](LeafRequest& r) { r.serial = "0012345678901234567890"; }),
            "not a serial: 0012345678901234567890");
  EXPECT_EQ(with([](LeafRequest& r) { r.serial = "f" + std::string(39, '1'); }),
            "not a serial: f" + std::string(39, '1'));
  EXPECT_EQ(with([](LeafRequest& r) { r.not_after = r.not_before + std::chrono::days(2000); }),
            "the certificate would not end between 2026-11-21T12:00:00Z and 2031-11-20T10:59:59Z");
}

TEST_F(IssuerTest, SignsRevocationLists) {
  const RevocationList list = {
      .certificates = {{.serial = "9f01020304050607", .at = kNow, .reason = 1},
                       {.serial = "0102030405060708", .at = kNow, .reason = 0}},
      .number = 300,
      .this_update = kNow,
      .next_update = kNow + std::chrono::days(7)};
  const auto der = issuer_.sign_crl("1", list);
  ASSERT_TRUE(der) << der.error().message;
  const auto& issuer = issuer_.intermediates().front().certificates().front();
  EXPECT_EQ(crypto::crl_text(*der, issuer),
            "signed by the issuer\n"
            "number 300\n"
            "until Nov 28 12:00:00 2026 GMT\n"
            "9f01020304050607 Nov 21 12:00:00 2026 GMT reason 1\n"
            "0102030405060708 Nov 21 12:00:00 2026 GMT reason -1\n");
  EXPECT_EQ(issuer_.sign_crl("3", list).error().message, "no issuer 3");
}

TEST_F(IssuerTest, SignsAnEmptyRevocationList) {
  const auto& issuer = issuer_.intermediates().back().certificates().front();
  EXPECT_EQ(crypto::crl_text(*issuer_.sign_crl("2", {.number = 1, .next_update = kNow}), issuer),
            "signed by the issuer\nnumber 1\nuntil Nov 21 12:00:00 2026 GMT\n");
}

class OcspTest : public IssuerTest {
 protected:
  std::string answer(const std::string& request) const {
    return issuer_.answer_ocsp(request,
                               {.status =
                                    [&](std::string_view issuer, std::string_view serial) {
                                      asked_.push_back(fmt::format("{}/{}", issuer, serial));
                                      return status_;
                                    },
                                .this_update = kNow,
                                .next_update = kNow + std::chrono::days(4)});
  }

  const Certificate leaf_ = issue(request_for(key_));
  const Certificate intermediate_ = *Certificate::from_pem(
      crypto::CertificateChain::from_pem(issuer_.chains(leaf_.der())->front())->topmost().pem());
  CertificateStatus status_{};
  mutable std::vector<std::string> asked_;
};

TEST_F(OcspTest, AnswersForWhatItIssued) {
  const std::string request = crypto::make_ocsp_request(leaf_, intermediate_);
  status_.state = CertificateStatus::State::good;
  EXPECT_EQ(crypto::ocsp_text(answer(request), request, leaf_, intermediate_),
            "signed by the issuer, nonce 1\ngood\n");
  status_ = {.state = CertificateStatus::State::revoked, .revoked_at = kNow, .reason = 4};
  EXPECT_EQ(crypto::ocsp_text(answer(request), request, leaf_, intermediate_),
            "signed by the issuer, nonce 1\nrevoked 20261121120000Z reason 4\n");
  status_ = {};
  EXPECT_EQ(crypto::ocsp_text(answer(request), request, leaf_, intermediate_),
            "signed by the issuer, nonce 1\nunknown\n");
  EXPECT_THAT(asked_.front(), testing::EndsWith("/9f0102030405060708090a0b0c0d0e0f10"));
}

TEST_F(OcspTest, RefusesQuestionsThatAreNotForIt) {
  EXPECT_EQ(base::hex(answer("nonsense")), "30030a0101");
  // A digest's parameters that OpenSSL reads and cannot write.
  const std::string unwritable = *base::decode_base64url(
      "MGgwZjA_MD0wOzAJBgUrDgMCGiAABBRCTvM2bYsX5PmGXqeEn-ECutGoLgQU6sIkMTaGi7GTE-om7uAm42iqVxACAhAC"
      "oiMwITAfBgkpBgEFBQcwAQIEEgQQlY5eGNdKJKuaEbnHzLNijg");
  EXPECT_EQ(base::hex(answer(unwritable)), "30030a0101");
  const std::string about_root =
      crypto::make_ocsp_request(intermediate_, issuer_.roots().front().certificate());
  EXPECT_EQ(base::hex(answer(about_root)), "30030a0106");
  EXPECT_TRUE(asked_.empty());
}

}  // namespace
}  // namespace everseal::ca
