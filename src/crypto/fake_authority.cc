#include "crypto/fake_authority.h"

#include <openssl/x509v3.h>

#include "crypto/openssl.h"

namespace everseal::crypto {
namespace {

// All that differs between the certificates made here.
struct Content {
  std::string subject, issuer, alternative_names;
  EVP_PKEY* key;
  EVP_PKEY* issuer_key;
  Time not_before, not_after;
};

void set_common_name(X509_NAME* name, const std::string& text) {
  if (text.empty()) return;
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, to_unsigned(text), -1, -1, 0);
}

void add_extension(X509* certificate, int nid, const std::string& value) {
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str());
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

Certificate make(const Content& content) {
  static long serial = 0x1000;
  X509* certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
  set_common_name(X509_get_subject_name(certificate), content.subject);
  set_common_name(X509_get_issuer_name(certificate), content.issuer);
  ASN1_TIME_set(X509_getm_notBefore(certificate), content.not_before.time_since_epoch().count());
  ASN1_TIME_set(X509_getm_notAfter(certificate), content.not_after.time_since_epoch().count());
  X509_set_pubkey(certificate, content.key);
  if (content.alternative_names.empty()) {
    add_extension(certificate, NID_basic_constraints, "critical,CA:TRUE");
  } else {
    add_extension(certificate, NID_subject_alt_name, content.alternative_names);
  }
  X509_sign(certificate, content.issuer_key, EVP_sha256());
  return Certificate::adopt(certificate);
}

std::string alternative_names(const FakeLeaf& leaf) {
  std::string text;
  auto add = [&](std::string_view type, const std::string& value) {
    text.append(text.empty() ? "" : ",").append(type).append(value);
  };
  for (const std::string& name : leaf.names) add("DNS:", name);
  for (const std::string& address : leaf.addresses) add("IP:", address);
  return text;
}

}  // namespace

FakeAuthority::FakeAuthority(const std::string& name, const FakeAuthority* issuer)
    : name_(name),
      key_(*PrivateKey::generate(KeyType::ecdsa_p256)),
      certificate_(make({.subject = name,
                         .issuer = issuer ? issuer->name_ : name,
                         .alternative_names = "",
                         .key = key_.native(),
                         .issuer_key = issuer ? issuer->key_.native() : key_.native(),
                         .not_before = *base::parse_rfc3339("2020-01-01T00:00:00Z"),
                         .not_after = *base::parse_rfc3339("2100-01-01T00:00:00Z")})) {}

Certificate FakeAuthority::issue(const FakeLeaf& leaf) const {
  const unsigned char* data = to_unsigned(leaf.public_key_der);
  KeyPointer key(d2i_PUBKEY(nullptr, &data, static_cast<long>(leaf.public_key_der.size())));
  return make({.subject = "",
               .issuer = name_,
               .alternative_names = alternative_names(leaf),
               .key = key.get(),
               .issuer_key = key_.native(),
               .not_before = leaf.not_before,
               .not_after = leaf.not_after});
}

}  // namespace everseal::crypto
