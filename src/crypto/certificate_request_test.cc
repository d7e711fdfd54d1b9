#include "crypto/certificate_request.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <openssl/x509v3.h>

#include <utility>

#include "base/encoding.h"
#include "crypto/der.h"
#include "crypto/key_traits.h"
#include "crypto/openssl.h"
#include "crypto/verifier.h"

namespace everseal::crypto {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

using RequestPointer = std::unique_ptr<X509_REQ, Freer<X509_REQ_free>>;

// What a test asks for that make_certificate_request() would not write.
struct Asked {
  std::vector<std::string> common_names{};
  std::vector<std::pair<int, std::string>> extensions{};  // in OpenSSL's words
  const EVP_MD* digest = EVP_sha256();
};

std::string request(const PrivateKey& key, const Asked& asked) {
  const RequestPointer request(X509_REQ_new());
  for (const std::string& name : asked.common_names) {
    X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(request.get()), "CN", MBSTRING_UTF8,
                               to_unsigned(name), -1, -1, 0);
  }
  STACK_OF(X509_EXTENSION)* extensions = sk_X509_EXTENSION_new_null();
  for (const auto& [nid, value] : asked.extensions) {
    sk_X509_EXTENSION_push(extensions, X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str()));
  }
  if (!asked.extensions.empty()) X509_REQ_add_extensions(request.get(), extensions);
  sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
  X509_REQ_set_pubkey(request.get(), key.native());
  X509_REQ_sign(request.get(), key.native(), asked.digest);
  return to_der(i2d_X509_REQ, request.get());
}

// "KIND: MESSAGE", or "accepted".
std::string verdict(std::string_view der) {
  const auto result = parse_certificate_request(der);
  if (result) return "accepted";
  return fmt::format("{}: {}", base::to_string(result.error().kind), result.error().message);
}

class ReceivedRequestTest : public testing::Test {
 protected:
  PrivateKey key_ = *PrivateKey::generate(KeyType::ecdsa_p256);
};

TEST_F(ReceivedRequestTest, IsWhatWeAskFor) {
  for (KeyType type : {KeyType::ecdsa_p256, KeyType::ecdsa_p384, KeyType::rsa_2048}) {
    const PrivateKey key = *PrivateKey::generate(type);
    const std::string names[] = {"b.example", "*.a.example"};
    const auto received = parse_certificate_request(*make_certificate_request(key, names));
    ASSERT_TRUE(received) << received.error().message;
    EXPECT_THAT(received->dns_names, ElementsAre("b.example", "*.a.example"));
    EXPECT_EQ(received->public_key_der, key.public_key_der());
    EXPECT_EQ(received->common_name, "");
    EXPECT_THAT(received->addresses, IsEmpty());
    EXPECT_THAT(received->other_extensions, IsEmpty());
    EXPECT_FALSE(received->has_other_names);
  }
}

TEST_F(ReceivedRequestTest, HasNamesInLowerCaseAndAddresses) {
  const auto received = *parse_certificate_request(request(
      key_,
      {.common_names = {"WWW.Example.COM"},
       .extensions = {{NID_subject_alt_name, "DNS:A.example,IP:192.0.2.1,IP:2001:db8:0:0::1"}}}));
  EXPECT_EQ(received.common_name, "www.example.com");
  EXPECT_THAT(received.dns_names, ElementsAre("a.example"));
  EXPECT_THAT(received.addresses, ElementsAre("192.0.2.1", "2001:db8::1"));
}

TEST_F(ReceivedRequestTest, TellsWhatElseIsAskedFor) {
  const auto received = *parse_certificate_request(
      request(key_, {.extensions = {{NID_subject_alt_name, "DNS:a.example,email:x@a.example"},
                                    {NID_key_usage, "digitalSignature"},
                                    {NID_tlsfeature, "status_request"}}}));
  EXPECT_TRUE(received.has_other_names);
  EXPECT_THAT(received.other_extensions, ElementsAre("keyUsage", "tlsfeature"));
}

TEST_F(ReceivedRequestTest, IsRefusedUnlessItIsOneRequestInDer) {
  const std::string der = request(key_, {});
  EXPECT_EQ(verdict(der), "accepted");
  EXPECT_EQ(verdict(""), "invalid: the certificate request: not a certificate request in DER");
  EXPECT_EQ(verdict(der + "x"),
            "invalid: the certificate request: not a certificate request in DER");
  EXPECT_EQ(verdict(std::string(65 << 10, '0')),
            "invalid: the certificate request: not a certificate request in DER");
}

// Debian's OpenSSL reads what we write, and writes what we read, byte for byte.
TEST_F(ReceivedRequestTest, IsWrittenAsOpenSslWritesIt) {
  const PrivateKey key = *PrivateKey::generate(KeyType::rsa_2048);  // signs the same twice
  const std::string names[] = {"b.example", "*.a.example"};
  EXPECT_EQ(
      *make_certificate_request(key, names),
      request(key, {.extensions = {{NID_subject_alt_name, "DNS:b.example,DNS:*.a.example"}}}));
}

TEST_F(ReceivedRequestTest, MayHaveNoAttributes) {
  const auto part = [](auto... parts) { return der::sequence((std::string() + ... + parts)); };
  const std::string info = part(der::integer(0), der::sequence({}), key_.public_key_der());
  const std::string signature = der::bit_string(*key_.sign_der(info));
  EXPECT_EQ(verdict(part(info, signature_algorithm(key_.type()), signature)), "accepted");
}

TEST_F(ReceivedRequestTest, IsRefusedIfCutAnywhere) {
  const std::string names[] = {"a.example"};
  const std::string der = *make_certificate_request(key_, names);
  for (std::size_t size = 0; size < der.size(); size++) {
    const std::string cut = der.substr(0, size);
    EXPECT_FALSE(parse_certificate_request(std::string(cut.data(), cut.size()))) << size;
  }
}

// A byte that says something else is either refused, or in what nobody signs: nothing is.
TEST_F(ReceivedRequestTest, IsRefusedIfAnyByteIsAnother) {
  const std::string names[] = {"a.example"};
  const std::string der = *make_certificate_request(key_, names);
  for (std::size_t at = 0; at < der.size(); at++) {
    std::string other = der;
    other[at] ^= 1;
    EXPECT_FALSE(parse_certificate_request(other)) << at;
  }
}

TEST_F(ReceivedRequestTest, MayBeInPem) {
  const std::string der = request(key_, {.common_names = {"a.example"}});
  EXPECT_EQ(certificate_request_der(der), der);
  for (const char* label : {"CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"})
    EXPECT_EQ(certificate_request_der("made by hand\n" + base::to_pem(label, der)), der);
  const std::string pem = base::to_pem("CERTIFICATE REQUEST", der);
  EXPECT_EQ(certificate_request_der(base::to_pem("PRIVATE KEY", der)).error().message,
            "not a certificate request in PEM");
  EXPECT_EQ(certificate_request_der(pem + pem).error().message,
            "more than one thing in the PEM of a request");
  EXPECT_EQ(certificate_request_der(pem.substr(0, 80)).error().message,
            "a certificate request whose PEM cannot be decoded");
}

TEST_F(ReceivedRequestTest, NamesWhatACaCanProve) {
  DirectVerifier verifier;
  const auto names = [&](const std::string& der) {
    const auto facts = verifier.read_request(der);
    return facts ? facts->names : std::vector{facts.error().message};
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(
      names(request(key_, {.common_names = {"B.example"},
                           .extensions = {{NID_subject_alt_name, "DNS:a.example,DNS:b.example"}}})),
      (Names{"b.example", "a.example"}));
  EXPECT_EQ(names(request(key_, {})), Names{"the certificate request: it asks for no name"});
  EXPECT_EQ(names(request(key_, {.extensions = {{NID_subject_alt_name, "DNS:a.example,IP:::1"}}})),
            Names{"the certificate request: it asks for other names than those of the DNS"});
}

TEST_F(ReceivedRequestTest, IsRefusedIfItsSignatureDoesNotHold) {
  std::string der = request(key_, {.common_names = {"a.example"}});
  der.replace(der.find("a.example"), 1, "b");
  EXPECT_EQ(verdict(der), "rejected: the certificate request: its signature does not hold");
  EXPECT_EQ(verdict(request(key_, {.digest = EVP_sha1()})),
            "rejected: the certificate request: it is not signed with its key and SHA-2");
}

TEST_F(ReceivedRequestTest, IsRefusedForAKeyThatNoPublicCaTakes) {
  const KeyPointer small(EVP_RSA_gen(1024u));
  const RequestPointer request(X509_REQ_new());
  X509_REQ_set_pubkey(request.get(), small.get());
  X509_REQ_sign(request.get(), small.get(), EVP_sha256());
  EXPECT_EQ(verdict(to_der(i2d_X509_REQ, request.get())),
            "rejected: the certificate request: the RSA key has 1024 bits; CAs take 2048, 3072 and "
            "4096");
}

TEST_F(ReceivedRequestTest, IsRefusedForNamesThatHideSomething) {
  EXPECT_EQ(verdict(request(key_, {.common_names = {"a b"}})),
            "invalid: the certificate request: not a name: a b");
  EXPECT_EQ(verdict(request(key_, {.common_names = {"a.example", "b.example"}})),
            "invalid: the certificate request: more than one common name");
  EXPECT_EQ(verdict(request(key_, {.extensions = {{NID_subject_alt_name, "DNS:a.example"},
                                                  {NID_subject_alt_name, "DNS:b.example"}}})),
            "invalid: the certificate request: the extension subjectAltName twice");
}

}  // namespace
}  // namespace everseal::crypto
