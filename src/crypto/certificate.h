// X.509 certificates and chains, read from anywhere and trusted only after verify_chain().
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "crypto/private_key.h"

struct x509_st;  // OpenSSL's X509

namespace everseal::crypto {

// A name of the subject alternative name.
struct AlternativeName {
  enum class Kind { dns, address, other } kind = Kind::other;
  std::string text{};  // lower-case, or as inet_ntop(3) writes addresses; of others empty
  bool operator==(const AlternativeName&) const = default;
};

// RFC 5280 §4.2.
struct CertificateExtension {
  bool critical = false;
  std::string value{};  // DER
};

// One X.509 certificate; immutable, cheap to copy.
class Certificate {
 public:
  // Errors: invalid (not exactly one certificate).
  static Result<Certificate> from_pem(std::string_view pem);
  static Result<Certificate> from_der(std::string_view der);

  // Takes over the caller's reference.
  static Certificate adopt(x509_st* certificate);

  std::string der() const;
  std::string pem() const;

  // In the certificate's order; none if the extension cannot be decoded.
  std::vector<AlternativeName> alternative_names() const;

  // The DNS names among them.
  std::vector<std::string> dns_names() const;

  // Whether the alternative name holds anything that is not a DNS name (an address, an e-mail …).
  bool has_other_names() const;

  // Whether it says whom to ask about its revocation (RFC 6960 §4.2.2.1, OCSP).
  bool has_ocsp_responder() const;

  // An extension by its object identifier in dots; nullopt if it is not there exactly once.
  std::optional<CertificateExtension> extension(const char* object_identifier) const;

  Time not_before() const;
  Time not_after() const;

  // Lower-case hexadecimal, without a prefix; an even number of digits.
  std::string serial() const;

  // RFC 2253, printable: "CN=R11,O=Let's Encrypt,C=US".
  std::string subject() const;
  std::string issuer() const;

  // The subject as DER.
  std::string subject_der() const;

  // The key identifiers as bytes (RFC 5280 §4.2.1.1, §4.2.1.2); empty if there is none.
  std::string subject_key_id() const;
  std::string authority_key_id() const;

  // The last common name of the issuer, printable; empty if there is none.
  std::string issuer_common_name() const;

  // The key as DER SubjectPublicKeyInfo: equal to PrivateKey::public_key_der() if they belong
  // together.
  std::string public_key_der() const;

  // SHA-256 of the DER, lower-case hexadecimal.
  std::string fingerprint() const;

  // Issued by its own key.
  bool self_signed() const;

  // Whether this certificate's key signed `other` and its subject is the issuer of `other`.
  bool issued(const Certificate& other) const;

  // For this folder only. Valid as long as the certificate is.
  x509_st* native() const { return certificate_.get(); }

 private:
  explicit Certificate(std::shared_ptr<x509_st> certificate)
      : certificate_(std::move(certificate)) {}

  std::shared_ptr<x509_st> certificate_;
};

// What names a certificate to its CA where renewal is concerned (RFC 9773 §4.1): its issuer's key
// and its serial number, both as base64url. Errors: invalid (it does not name its issuer's key).
Result<std::string> renewal_id(const Certificate& certificate);

bool key_matches(const Certificate& certificate, const PrivateKey& key);

// A leaf and the certificates above it, each the issuer of the one before it.
class CertificateChain {
 public:
  // Reads PEM certificates in any order and brings them into the chain's: the leaf is the one that
  // issued none of the others. LF or CRLF; nothing but certificates and white space. Errors:
  // invalid (no certificate, more than 256 KiB or 10 certificates, a private key or other text
  // among them, a certificate that does not belong to the chain).
  static Result<CertificateChain> from_pem(std::string_view pem);

  const Certificate& leaf() const { return certificates_.front(); }
  const Certificate& topmost() const { return certificates_.back(); }

  // Leaf first; never empty.
  const std::vector<Certificate>& certificates() const { return certificates_; }

  // The whole chain, leaf first, re-encoded: what ssl_certificate wants.
  std::string to_pem() const;

  // The chain without its leaf.
  std::string intermediates_pem() const;

 private:
  explicit CertificateChain(std::vector<Certificate> certificates)
      : certificates_(std::move(certificates)) {}

  std::vector<Certificate> certificates_;
};

// What a chain must be to go with our request.
struct ExpectedCertificate {
  std::string public_key_der{};      // DER SubjectPublicKeyInfo
  std::vector<std::string> names{};  // exactly these, in any order
  Time now{};
};

// Reads and judges the chain that a CA sent: our key, exactly our names, dates that hold now (and a
// life of at most ten years), each link's issuer and signature, and the certificate of the leaf's
// issuer present. Trust in the root is the business of the CA's TLS connection, not checked here.
// Errors: rejected, with what is wrong; transient if the only fault is a start within a week;
// invalid from CertificateChain::from_pem.
Result<CertificateChain> verify_chain(std::string_view pem, const ExpectedCertificate& expected);

}  // namespace everseal::crypto
