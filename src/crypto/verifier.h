// Certificates of strangers, read where that can do no harm.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "crypto/certificate.h"

namespace everseal::crypto {

// A chain as plain bytes that belong to nobody's parser.
struct EncodedChain {
  std::vector<std::string> certificates{};  // DER, leaf first; never empty
  Time not_before{}, not_after{};           // of the leaf
  std::string fingerprint{};                // SHA-256 of the leaf's DER, lower-case hexadecimal
  std::string renewal_id{};                 // of the leaf; empty if it has none

  // PEM of all certificates from number `first` on.
  std::string to_pem(std::size_t first = 0) const;
  std::string leaf_pem() const;
};

// What a leaf is good for.
struct LeafFacts {
  std::vector<std::string> names{};  // DNS names, lower-case
  bool self_signed = false;
  bool has_ocsp_responder = false;
  Time not_before{}, not_after{};
  std::string fingerprint{};  // as EncodedChain has them
  std::string renewal_id{};
  std::string key_type{};  // crypto::to_string(KeyType); empty if it is of no such type
};

// What somebody asks a certificate for, with a key that only he has.
struct RequestFacts {
  std::string der{};
  std::string public_key_der{};      // DER SubjectPublicKeyInfo
  std::vector<std::string> names{};  // base::parse_domain_name's form; the common name first
};

// Interface for reading certificates that came from outside. privsep's implementation does it in a
// process that can do nothing else.
class Verifier {
 public:
  virtual ~Verifier() = default;

  // crypto::verify_chain(), its result re-encoded from what was parsed.
  virtual Result<EncodedChain> verify(std::string_view pem,
                                      const ExpectedCertificate& expected) = 0;

  // The leaf of a chain in PEM. Errors: those of CertificateChain::from_pem.
  virtual Result<LeafFacts> inspect(std::string_view pem) = 0;

  // A certificate request in PEM or DER, of which a CA can prove all names. Errors: those of
  // parse_certificate_request(); invalid (not one request, no name, names that are not of the DNS).
  virtual Result<RequestFacts> read_request(std::string_view bytes) = 0;
};

// In this process.
class DirectVerifier : public Verifier {
 public:
  Result<EncodedChain> verify(std::string_view pem, const ExpectedCertificate& expected) override;
  Result<LeafFacts> inspect(std::string_view pem) override;
  Result<RequestFacts> read_request(std::string_view bytes) override;
};

}  // namespace everseal::crypto
