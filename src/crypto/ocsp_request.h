// Questions about certificates (RFC 6960 §4.1), as a responder receives them.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "crypto/certificate.h"

struct ocsp_cert_id_st;  // OpenSSL's OCSP_CERTID

namespace everseal::crypto {

// A certificate that is asked about.
class OcspQuestion {
 public:
  explicit OcspQuestion(ocsp_cert_id_st* id);  // takes it over

  std::string der() const;     // the CertID, to be answered with
  std::string serial() const;  // lower-case hexadecimal

  // Whether `issuer` is the one that the question names.
  bool is_issued_by(const Certificate& issuer) const;

 private:
  std::shared_ptr<ocsp_cert_id_st> id_;
};

struct OcspRequest {
  std::vector<OcspQuestion> questions{};  // never empty
  std::string nonce{};  // the extension's value in DER, to be sent back; empty if there is none
};

// Signatures of requests are not looked at. Errors: invalid (more than 4 KiB, not one request in
// DER, no question, more than 16, a nonce of more than 128 bytes).
Result<OcspRequest> parse_ocsp_request(std::string_view der);

}  // namespace everseal::crypto
