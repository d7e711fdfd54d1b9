#include "crypto/certificate.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <ranges>

#include "base/address.h"
#include "base/encoding.h"
#include "crypto/jws.h"
#include "crypto/openssl.h"

namespace everseal::crypto {
namespace {

constexpr std::size_t kMostChainBytes = 256 << 10;
constexpr std::size_t kMostCertificates = 10;
constexpr auto kLongestLife = std::chrono::years(10);
constexpr auto kLongestWait = std::chrono::days(7);  // for a life to begin

constexpr std::string_view kBegin = "-----BEGIN CERTIFICATE-----";
constexpr std::string_view kEnd = "-----END CERTIFICATE-----";
constexpr std::string_view kWhiteSpace = " \t\r\n";

// The content of the DER integer: serial numbers are positive, so that a first byte above 127 has a
// zero before it.
std::string serial_content(const Certificate& certificate) {
  std::string bytes = base::decode_hex(certificate.serial()).value_or("");
  if (!bytes.empty() && (bytes.front() & 0x80)) bytes.insert(bytes.begin(), '\0');
  return bytes;
}

using ObjectPointer = std::unique_ptr<ASN1_OBJECT, Freer<ASN1_OBJECT_free>>;

AlternativeName read_name(const GENERAL_NAME* name) {
  using Kind = AlternativeName::Kind;
  if (name->type == GEN_DNS) return {Kind::dns, base::lower_case(text_of(name->d.dNSName))};
  const auto address =
      name->type == GEN_IPADD ? base::address_text(text_of(name->d.iPAddress)) : std::nullopt;
  if (address) return {Kind::address, *address};
  return {};
}

std::string name_text(const X509_NAME* name) {
  BioPointer bio = writer();
  X509_NAME_print_ex(bio.get(), name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
  return base::printable(written(bio));
}

Time time_of(const ASN1_TIME* text) {
  std::tm parts{};
  ASN1_TIME_to_tm(text, &parts);
  return Time(base::Seconds(timegm(&parts)));
}

// One "-----BEGIN CERTIFICATE-----" … "-----END CERTIFICATE-----" off the front of `pem`.
Result<Certificate> take_certificate(std::string_view& pem) {
  if (pem.find("PRIVATE KEY-----") != pem.npos) {
    return base::invalid("a private key among the certificates");
  }
  const std::size_t end = pem.find(kEnd);
  if (!pem.starts_with(kBegin) || end == pem.npos) {
    return base::invalid(
        fmt::format("not a certificate in PEM: {}", base::printable(pem.substr(0, 40))));
  }
  const std::string_view block = pem.substr(0, end + kEnd.size());
  pem.remove_prefix(block.size());
  BioPointer bio = reader(block);
  X509* certificate = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr);
  ERR_clear_error();
  if (!certificate) return base::invalid("a certificate that cannot be decoded");
  return Certificate::adopt(certificate);
}

void skip_white_space(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(kWhiteSpace), text.size()));
}

Result<std::vector<Certificate>> read_certificates(std::string_view pem) {
  if (pem.size() > kMostChainBytes) return base::invalid("the chain is larger than 256 KiB");
  std::vector<Certificate> certificates;
  for (skip_white_space(pem); !pem.empty(); skip_white_space(pem)) {
    if (certificates.size() == kMostCertificates) {
      return base::invalid("more than 10 certificates in a chain");
    }
    certificates.push_back(TRY(base::within(fmt::format("certificate {}", certificates.size() + 1),
                                            take_certificate(pem))));
  }
  if (certificates.empty()) return base::invalid("no certificate");
  return certificates;
}

bool issued_another(const Certificate& one, const std::vector<Certificate>& all) {
  return std::ranges::any_of(
      all, [&](const Certificate& other) { return other.der() != one.der() && one.issued(other); });
}

// Moves the certificate that is next in the chain to position `to`; false if there is none.
bool bring_next(std::vector<Certificate>& certificates, std::size_t to) {
  const auto next = std::find_if(certificates.begin() + static_cast<std::ptrdiff_t>(to),
                                 certificates.end(), [&](const Certificate& one) {
                                   return to == 0 ? !issued_another(one, certificates)
                                                  : one.issued(certificates[to - 1]);
                                 });
  if (next == certificates.end()) return false;
  std::swap(certificates[to], *next);
  return true;
}

std::string sorted_list(std::vector<std::string> names) {
  std::ranges::sort(names);
  const auto repeated = std::ranges::unique(names);
  names.erase(repeated.begin(), repeated.end());
  return fmt::format("{}", fmt::join(names, ", "));
}

Result<> check_names(const Certificate& leaf, const std::vector<std::string>& expected) {
  if (leaf.has_other_names()) {
    return base::rejected("the certificate names something that is not a domain");
  }
  const std::string got = sorted_list(leaf.dns_names());
  const std::string wanted = sorted_list(expected);
  if (got == wanted) return {};
  return base::rejected(
      fmt::format("the certificate is for {}, not for {}", base::printable(got), wanted));
}

Result<> check_dates(const Certificate& one, Time now) {
  const Time begin = one.not_before(), end = one.not_after();
  if (end <= begin) return base::rejected("the certificate ends before it begins");
  if (end - begin > kLongestLife) {
    return base::rejected(
        fmt::format("the certificate is for more than ten years, until {}", base::to_rfc3339(end)));
  }
  if (end <= now) {
    return base::rejected(fmt::format("the certificate expired at {}", base::to_rfc3339(end)));
  }
  if (begin > now) {
    const bool is_near = begin - now <= kLongestWait;
    return std::unexpected(
        Error{is_near ? ErrorKind::transient : ErrorKind::rejected,
              fmt::format("the certificate is not valid before {}", base::to_rfc3339(begin))});
  }
  return {};
}

Result<> check_links(const CertificateChain& chain, Time now) {
  const auto& certificates = chain.certificates();
  if (certificates.size() == 1 && !chain.leaf().self_signed()) {
    return base::rejected(
        fmt::format("the certificate of the issuer, {}, is missing", chain.leaf().issuer()));
  }
  for (const Certificate& issuer : std::views::drop(certificates, 1)) {
    if (issuer.not_after() <= now) {
      return base::rejected(fmt::format("the certificate of the issuer, {}, expired at {}",
                                        issuer.subject(), base::to_rfc3339(issuer.not_after())));
    }
  }
  return {};
}

}  // namespace

Certificate Certificate::adopt(x509_st* certificate) {
  return Certificate(std::shared_ptr<x509_st>(certificate, X509_free));
}

Result<Certificate> Certificate::from_pem(std::string_view pem) {
  auto certificates = TRY(read_certificates(pem));
  if (certificates.size() != 1) return base::invalid("more than one certificate");
  return certificates.front();
}

Result<Certificate> Certificate::from_der(std::string_view der) {
  const unsigned char* data = to_unsigned(der);
  X509* certificate = der.size() > kMostChainBytes
                          ? nullptr
                          : d2i_X509(nullptr, &data, static_cast<long>(der.size()));
  ERR_clear_error();
  if (!certificate) return base::invalid("a certificate that cannot be decoded");
  Certificate result = adopt(certificate);
  if (data != to_unsigned(der) + der.size()) return base::invalid("bytes after the certificate");
  return result;
}

std::string Certificate::der() const { return to_der(i2d_X509, certificate_.get()); }

std::string Certificate::pem() const {
  BioPointer bio = writer();
  PEM_write_bio_X509(bio.get(), certificate_.get());
  return written(bio);
}

std::vector<AlternativeName> Certificate::alternative_names() const {
  std::vector<AlternativeName> result;
  const NamesPointer names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate_.get(), NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); i++)
    result.push_back(read_name(sk_GENERAL_NAME_value(names.get(), i)));
  return result;
}

std::vector<std::string> Certificate::dns_names() const {
  std::vector<std::string> result;
  for (AlternativeName& each : alternative_names())
    if (each.kind == AlternativeName::Kind::dns) result.push_back(std::move(each.text));
  return result;
}

bool Certificate::has_other_names() const {
  return std::ranges::any_of(alternative_names(), [](const AlternativeName& each) {
    return each.kind != AlternativeName::Kind::dns;
  });
}

std::optional<CertificateExtension> Certificate::extension(const char* object_identifier) const {
  const ObjectPointer object(OBJ_txt2obj(object_identifier, 1));
  const int at = X509_get_ext_by_OBJ(certificate_.get(), object.get(), -1);
  if (at < 0 || X509_get_ext_by_OBJ(certificate_.get(), object.get(), at) >= 0) return std::nullopt;
  X509_EXTENSION* const extension = X509_get_ext(certificate_.get(), at);
  return CertificateExtension{X509_EXTENSION_get_critical(extension) != 0,
                              std::string(text_of(X509_EXTENSION_get_data(extension)))};
}

bool Certificate::has_ocsp_responder() const {
  STACK_OF(OPENSSL_STRING)* const urls = X509_get1_ocsp(certificate_.get());
  const bool has = urls != nullptr && sk_OPENSSL_STRING_num(urls) > 0;
  X509_email_free(urls);
  return has;
}

Time Certificate::not_before() const { return time_of(X509_get0_notBefore(certificate_.get())); }

Time Certificate::not_after() const { return time_of(X509_get0_notAfter(certificate_.get())); }

std::string Certificate::serial() const {
  return base::hex(text_of(X509_get0_serialNumber(certificate_.get())));
}

std::string Certificate::subject() const {
  return name_text(X509_get_subject_name(certificate_.get()));
}

std::string Certificate::issuer() const {
  return name_text(X509_get_issuer_name(certificate_.get()));
}

std::string Certificate::subject_der() const {
  return to_der(i2d_X509_NAME, X509_get_subject_name(certificate_.get()));
}

std::string Certificate::subject_key_id() const {
  const ASN1_OCTET_STRING* id = X509_get0_subject_key_id(certificate_.get());
  return std::string(id ? text_of(id) : "");
}

std::string Certificate::authority_key_id() const {
  const ASN1_OCTET_STRING* id = X509_get0_authority_key_id(certificate_.get());
  return std::string(id ? text_of(id) : "");
}

std::string Certificate::issuer_common_name() const {
  return base::printable(common_name(X509_get_issuer_name(certificate_.get())));
}

std::string Certificate::public_key_der() const {
  return to_der(i2d_X509_PUBKEY, X509_get_X509_PUBKEY(certificate_.get()));
}

std::string Certificate::fingerprint() const { return base::hex(sha256(der())); }

bool Certificate::self_signed() const { return issued(*this); }

bool Certificate::issued(const Certificate& other) const {
  const bool names_match = X509_NAME_cmp(X509_get_subject_name(certificate_.get()),
                                         X509_get_issuer_name(other.certificate_.get())) == 0;
  const bool signature_holds =
      names_match &&
      X509_verify(other.certificate_.get(), X509_get0_pubkey(certificate_.get())) == 1;
  ERR_clear_error();
  return signature_holds;
}

Result<std::string> renewal_id(const Certificate& certificate) {
  const std::string authority = certificate.authority_key_id();
  if (authority.empty()) return base::invalid("the certificate does not name its issuer's key");
  return fmt::format("{}.{}", base::base64url(authority),
                     base::base64url(serial_content(certificate)));
}

bool key_matches(const Certificate& certificate, const PrivateKey& key) {
  return certificate.public_key_der() == key.public_key_der();
}

Result<CertificateChain> CertificateChain::from_pem(std::string_view pem) {
  auto certificates = TRY(read_certificates(pem));
  for (std::size_t i = 0; i < certificates.size(); i++) {
    if (bring_next(certificates, i)) continue;
    if (i == 0) return base::invalid("the certificates issued each other: none is the leaf");
    return base::invalid(fmt::format("{} did not issue {}", certificates[i].subject(),
                                     certificates[i - 1].subject()));
  }
  return CertificateChain(std::move(certificates));
}

std::string CertificateChain::to_pem() const { return leaf().pem() + intermediates_pem(); }

std::string CertificateChain::intermediates_pem() const {
  std::string pem;
  for (const Certificate& one : std::views::drop(certificates_, 1)) pem += one.pem();
  return pem;
}

Result<CertificateChain> verify_chain(std::string_view pem, const ExpectedCertificate& expected) {
  auto chain = TRY(CertificateChain::from_pem(pem));
  if (chain.leaf().public_key_der() != expected.public_key_der) {
    return base::rejected("the certificate is for another key than the one requested");
  }
  TRY(check_names(chain.leaf(), expected.names));
  TRY(check_links(chain, expected.now));
  TRY(check_dates(chain.leaf(), expected.now));
  return chain;
}

}  // namespace everseal::crypto
