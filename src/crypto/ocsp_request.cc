#include "crypto/ocsp_request.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>

#include "base/encoding.h"
#include "crypto/openssl.h"

namespace everseal::crypto {
namespace {

constexpr std::size_t kMostBytes = 4 << 10;
constexpr int kMostQuestions = 16;
constexpr std::size_t kMostNonceBytes = 128;

using RequestPointer = std::unique_ptr<OCSP_REQUEST, Freer<OCSP_REQUEST_free>>;
using CertIdPointer = std::unique_ptr<OCSP_CERTID, Freer<OCSP_CERTID_free>>;

std::string nonce_of(OCSP_REQUEST* request) {
  const int at = OCSP_REQUEST_get_ext_by_NID(request, NID_id_pkix_OCSP_Nonce, -1);
  if (at < 0) return {};
  return std::string(text_of(X509_EXTENSION_get_data(OCSP_REQUEST_get_ext(request, at))));
}

}  // namespace

OcspQuestion::OcspQuestion(ocsp_cert_id_st* id) : id_(id, OCSP_CERTID_free) {}

std::string OcspQuestion::der() const { return to_der(i2d_OCSP_CERTID, id_.get()); }

std::string OcspQuestion::serial() const {
  ASN1_INTEGER* serial = nullptr;
  OCSP_id_get0_info(nullptr, nullptr, nullptr, &serial, id_.get());
  return base::hex(text_of(serial));
}

bool OcspQuestion::is_issued_by(const Certificate& issuer) const {
  ASN1_OBJECT* digest = nullptr;
  ASN1_INTEGER* serial = nullptr;
  OCSP_id_get0_info(nullptr, &digest, nullptr, &serial, id_.get());
  const EVP_MD* const algorithm = EVP_get_digestbyobj(digest);
  if (!algorithm) return false;
  const CertIdPointer own(OCSP_cert_id_new(algorithm, X509_get_subject_name(issuer.native()),
                                           X509_get0_pubkey_bitstr(issuer.native()), serial));
  ERR_clear_error();
  return own && OCSP_id_issuer_cmp(own.get(), id_.get()) == 0;
}

Result<OcspRequest> parse_ocsp_request(std::string_view der) {
  const unsigned char* data = to_unsigned(der);
  const RequestPointer request(
      der.size() > kMostBytes ? nullptr
                              : d2i_OCSP_REQUEST(nullptr, &data, static_cast<long>(der.size())));
  ERR_clear_error();
  const int count = request ? OCSP_request_onereq_count(request.get()) : 0;
  if (count <= 0 || count > kMostQuestions || data != to_unsigned(der) + der.size())
    return base::invalid("not an OCSP request");
  OcspRequest result;
  for (int i = 0; i < count; i++) {
    OCSP_CERTID* const id =
        OCSP_CERTID_dup(OCSP_onereq_get0_id(OCSP_request_onereq_get0(request.get(), i)));
    ERR_clear_error();
    // What OpenSSL reads it cannot always write, and it copies by writing.
    if (!id) return base::invalid("not an OCSP request");
    result.questions.emplace_back(id);
  }
  result.nonce = nonce_of(request.get());
  if (result.nonce.size() > kMostNonceBytes) return base::invalid("a nonce of too many bytes");
  return result;
}

}  // namespace everseal::crypto
