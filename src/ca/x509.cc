#include "ca/x509.h"

#include <fmt/format.h>

#include "base/address.h"
#include "base/encoding.h"
#include "crypto/der.h"
#include "crypto/jws.h"

namespace everseal::ca::x509 {
namespace {

namespace der = crypto::der;

constexpr std::size_t kKeyIdentifierBytes = 20;

// Of a GeneralName (RFC 5280 §4.2.1.6).
enum NameType : unsigned char { kDnsName = 2, kUrl = 6, kAddress = 7 };

std::string concatenated(std::initializer_list<std::string_view> parts) {
  std::string text;
  for (const std::string_view part : parts) text += part;
  return text;
}

std::string attribute(std::string_view object_identifier, std::string_view value) {
  if (value.empty()) return {};
  return der::set(
      der::sequence(der::object_identifier(object_identifier) + der::utf8_string(value)));
}

std::string access_description(std::string_view object_identifier, std::string_view url) {
  if (url.empty()) return {};
  return der::sequence(der::object_identifier(object_identifier) + der::implicit(kUrl, url));
}

}  // namespace

const std::string& signature_algorithm() {
  static const std::string sha256_with_ecdsa =
      der::sequence(der::object_identifier("1.2.840.10045.4.3.2"));
  return sha256_with_ecdsa;
}

Result<std::string> sign(std::string_view content, const SigningKey& key) {
  const std::string signature = TRY(key.sign(content));
  return der::sequence(concatenated({content, signature_algorithm(), der::bit_string(signature)}));
}

std::string name(std::string_view organization, std::string_view common_name) {
  return der::sequence(attribute("2.5.4.10", organization) + attribute("2.5.4.3", common_name));
}

std::string key_identifier(std::string_view public_key_der) {
  return crypto::sha256(public_key_der).substr(0, kKeyIdentifierBytes);
}

std::string extension(std::string_view object_identifier, Weight weight, std::string_view value) {
  return der::sequence(concatenated({der::object_identifier(object_identifier),
                                     weight == Weight::critical ? der::boolean_true() : "",
                                     der::octet_string(value)}));
}

std::string key_usage(Usage usage) {
  return extension("2.5.29.15", Weight::critical, der::bit_list(static_cast<unsigned char>(usage)));
}

std::string server_authentication() {
  return extension("2.5.29.37", Weight::normal,
                   der::sequence(der::object_identifier("1.3.6.1.5.5.7.3.1")));
}

std::string subject_key_identifier(std::string_view identifier) {
  return extension("2.5.29.14", Weight::normal, der::octet_string(identifier));
}

std::string authority_key_identifier(std::string_view identifier) {
  return extension("2.5.29.35", Weight::normal, der::sequence(der::implicit(0, identifier)));
}

std::string end_entity() { return extension("2.5.29.19", Weight::critical, der::sequence("")); }

std::string authority() {
  return extension("2.5.29.19", Weight::critical, der::sequence(der::boolean_true()));
}

std::string lowest_authority() {
  return extension("2.5.29.19", Weight::critical,
                   der::sequence(der::boolean_true() + der::integer(0)));
}

Result<std::string> alternative_name(const std::vector<std::string>& dns_names,
                                     const std::vector<std::string>& addresses, Weight weight) {
  std::string names;
  for (const std::string& each : dns_names) names += der::implicit(kDnsName, each);
  for (const std::string& each : addresses) {
    const auto bytes = base::address_bytes(each);
    if (!bytes) return base::invalid(fmt::format("not an address: {}", base::printable(each, 80)));
    names += der::implicit(kAddress, *bytes);
  }
  return extension("2.5.29.17", weight, der::sequence(names));
}

std::string crl_distribution_point(std::string_view url) {
  const std::string point = der::tagged(0, der::tagged(0, der::implicit(kUrl, url)));
  return extension("2.5.29.31", Weight::normal, der::sequence(der::sequence(point)));
}

std::string authority_information(std::string_view issuer_url, std::string_view ocsp_url) {
  const std::string descriptions = access_description("1.3.6.1.5.5.7.48.1", ocsp_url) +
                                   access_description("1.3.6.1.5.5.7.48.2", issuer_url);
  if (descriptions.empty()) return {};
  return extension("1.3.6.1.5.5.7.1.1", Weight::normal, der::sequence(descriptions));
}

std::string random_serial(const crypto::Randomness& random) {
  constexpr std::size_t kBytes = 16;
  std::string bytes = random(kBytes);
  bytes.front() = static_cast<char>((bytes.front() & 0x7F) | 0x40);
  return bytes;
}

// RFC 5280 §4.1.
Result<std::string> sign_certificate(const Certificate& certificate, const SigningKey& key) {
  constexpr std::uint64_t kVersion3 = 2;
  return sign(
      der::sequence(concatenated(
          {der::tagged(0, der::integer(kVersion3)), der::integer(certificate.serial),
           signature_algorithm(), certificate.issuer,
           der::sequence(der::time(certificate.not_before) + der::time(certificate.not_after)),
           certificate.subject, certificate.public_key,
           der::tagged(3, der::sequence(certificate.extensions))})),
      key);
}

}  // namespace everseal::ca::x509
