// What a CA signed, as OpenSSL reads it: a second opinion, for tests.
#pragma once

#include <string>
#include <string_view>

#include "crypto/certificate.h"

namespace everseal::crypto {

// As `openssl x509 -text` shows them, without the space at the left.
std::string extensions_text(const Certificate& certificate);

// "0A:1B:…", as the above shows bytes.
std::string colons(std::string_view bytes);

// "signed by the issuer", "number N", "until DATE" and a line "SERIAL DATE reason N" (-1: none) for
// each entry; or "not a CRL".
std::string crl_text(std::string_view der, const Certificate& issuer);

// A request about `certificate`, in DER, with a nonce.
std::string make_ocsp_request(const Certificate& certificate, const Certificate& issuer);

// "signed by the issuer, nonce N" (1: the request's) and the status; or "status N".
std::string ocsp_text(std::string_view response, std::string_view request,
                      const Certificate& certificate, const Certificate& issuer);

}  // namespace everseal::crypto
