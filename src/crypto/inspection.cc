#include "crypto/inspection.h"

#include <fmt/format.h>
#include <openssl/ocsp.h>
#include <openssl/x509v3.h>

#include "base/encoding.h"
#include "crypto/openssl.h"

namespace everseal::crypto {
namespace {

using CrlPointer = std::unique_ptr<X509_CRL, Freer<X509_CRL_free>>;
using CertIdPointer = std::unique_ptr<OCSP_CERTID, Freer<OCSP_CERTID_free>>;
using RequestPointer = std::unique_ptr<OCSP_REQUEST, Freer<OCSP_REQUEST_free>>;
using ResponsePointer = std::unique_ptr<OCSP_RESPONSE, Freer<OCSP_RESPONSE_free>>;
using BasicPointer = std::unique_ptr<OCSP_BASICRESP, Freer<OCSP_BASICRESP_free>>;
using IntegerPointer = std::unique_ptr<ASN1_INTEGER, Freer<ASN1_INTEGER_free>>;
using EnumeratedPointer = std::unique_ptr<ASN1_ENUMERATED, Freer<ASN1_ENUMERATED_free>>;

std::string time_text(const ASN1_TIME* time) {
  const BioPointer bio = writer();
  ASN1_TIME_print(bio.get(), time);
  return written(bio);
}

std::string signature_text(bool holds) {
  return holds ? "signed by the issuer" : "not signed by the issuer";
}

std::string entry_text(const X509_REVOKED* entry) {
  const EnumeratedPointer reason(static_cast<ASN1_ENUMERATED*>(
      X509_REVOKED_get_ext_d2i(entry, NID_crl_reason, nullptr, nullptr)));
  return fmt::format("{} {} reason {}\n", base::hex(text_of(X509_REVOKED_get0_serialNumber(entry))),
                     time_text(X509_REVOKED_get0_revocationDate(entry)),
                     reason ? ASN1_ENUMERATED_get(reason.get()) : -1);
}

CertIdPointer cert_id(const Certificate& certificate, const Certificate& issuer) {
  return CertIdPointer(OCSP_cert_to_id(nullptr, certificate.native(), issuer.native()));
}

}  // namespace

std::string colons(std::string_view bytes) {
  std::string text;
  for (const unsigned char byte : bytes)
    text += fmt::format("{}{:02X}", text.empty() ? "" : ":", byte);
  return text;
}

std::string extensions_text(const Certificate& certificate) {
  const BioPointer bio = writer();
  X509V3_extensions_print(bio.get(), nullptr, X509_get0_extensions(certificate.native()), 0, 0);
  return written(bio);
}

std::string crl_text(std::string_view der, const Certificate& issuer) {
  const unsigned char* data = to_unsigned(der);
  const CrlPointer crl(d2i_X509_CRL(nullptr, &data, static_cast<long>(der.size())));
  if (!crl) return "not a CRL";
  const IntegerPointer number(static_cast<ASN1_INTEGER*>(
      X509_CRL_get_ext_d2i(crl.get(), NID_crl_number, nullptr, nullptr)));
  const bool holds =
      X509_CRL_verify(crl.get(), X509_get0_pubkey(issuer.native())) == 1 &&
      X509_NAME_cmp(X509_CRL_get_issuer(crl.get()), X509_get_subject_name(issuer.native())) == 0;
  std::string text =
      fmt::format("{}\nnumber {}\nuntil {}\n", signature_text(holds),
                  ASN1_INTEGER_get(number.get()), time_text(X509_CRL_get0_nextUpdate(crl.get())));
  STACK_OF(X509_REVOKED)* const entries = X509_CRL_get_REVOKED(crl.get());
  for (int i = 0; i < sk_X509_REVOKED_num(entries); i++)
    text += entry_text(sk_X509_REVOKED_value(entries, i));
  return text;
}

std::string make_ocsp_request(const Certificate& certificate, const Certificate& issuer) {
  const RequestPointer request(OCSP_REQUEST_new());
  OCSP_request_add0_id(request.get(), cert_id(certificate, issuer).release());
  OCSP_request_add1_nonce(request.get(), nullptr, -1);
  return to_der(i2d_OCSP_REQUEST, request.get());
}

std::string ocsp_text(std::string_view response, std::string_view request,
                      const Certificate& certificate, const Certificate& issuer) {
  const unsigned char* data = to_unsigned(response);
  const ResponsePointer outer(
      d2i_OCSP_RESPONSE(nullptr, &data, static_cast<long>(response.size())));
  if (!outer) return "not a response";
  const BasicPointer basic(OCSP_response_get1_basic(outer.get()));
  if (!basic) return fmt::format("status {}", OCSP_response_status(outer.get()));
  data = to_unsigned(request);
  const RequestPointer asked(d2i_OCSP_REQUEST(nullptr, &data, static_cast<long>(request.size())));
  STACK_OF(X509)* const chain = sk_X509_new_null();
  sk_X509_push(chain, issuer.native());
  const bool holds = OCSP_basic_verify(basic.get(), chain, nullptr, OCSP_NOVERIFY) == 1;
  sk_X509_free(chain);
  int status = 0, reason = 0;
  ASN1_GENERALIZEDTIME *revoked_at = nullptr, *this_update = nullptr, *next_update = nullptr;
  OCSP_resp_find_status(basic.get(), cert_id(certificate, issuer).get(), &status, &reason,
                        &revoked_at, &this_update, &next_update);
  const std::string details = status == V_OCSP_CERTSTATUS_REVOKED
                                  ? fmt::format(" {} reason {}", text_of(revoked_at), reason)
                                  : "";
  return fmt::format("{}, nonce {}\n{}{}\n", signature_text(holds),
                     OCSP_check_nonce(asked.get(), basic.get()), OCSP_cert_status_str(status),
                     details);
}

}  // namespace everseal::crypto
