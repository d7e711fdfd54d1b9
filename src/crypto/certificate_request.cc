#include "crypto/certificate_request.h"

#include <fmt/format.h>
#include <openssl/x509v3.h>

#include "base/domain_name.h"
#include "base/encoding.h"
#include "crypto/openssl.h"

namespace everseal::crypto {
namespace {

using RequestPointer = std::unique_ptr<X509_REQ, Freer<X509_REQ_free>>;
using NamesPointer = std::unique_ptr<GENERAL_NAMES, Freer<GENERAL_NAMES_free>>;

void free_extensions(STACK_OF(X509_EXTENSION) * extensions) {
  sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
}
using ExtensionsPointer = std::unique_ptr<STACK_OF(X509_EXTENSION), Freer<free_extensions>>;

Result<> check_names(std::span<const std::string> names) {
  if (names.empty()) return base::invalid("a certificate request needs a name");
  for (const std::string& name : names) {
    if (TRY(base::parse_domain_name(name)) != name) {
      return base::invalid(
          fmt::format("not in the form of a certificate: {}", base::printable(name)));
    }
  }
  return {};
}

void push_name(GENERAL_NAMES* names, const std::string& name) {
  ASN1_IA5STRING* text = ASN1_IA5STRING_new();
  ASN1_STRING_set(text, name.data(), static_cast<int>(name.size()));
  GENERAL_NAME* general = GENERAL_NAME_new();
  GENERAL_NAME_set0_value(general, GEN_DNS, text);
  sk_GENERAL_NAME_push(names, general);
}

bool add_names(X509_REQ* request, std::span<const std::string> names) {
  NamesPointer alternative(GENERAL_NAMES_new());
  for (const std::string& name : names) push_name(alternative.get(), name);
  STACK_OF(X509_EXTENSION)* extensions = nullptr;
  const int added =
      X509V3_add1_i2d(&extensions, NID_subject_alt_name, alternative.get(), 0, X509V3_ADD_DEFAULT);
  ExtensionsPointer owner(extensions);
  return added == 1 && X509_REQ_add_extensions(request, extensions) == 1;
}

}  // namespace

Result<std::string> make_certificate_request(const PrivateKey& key,
                                             std::span<const std::string> names) {
  TRY(check_names(names));
  RequestPointer request(X509_REQ_new());
  const EVP_MD* digest = key.type() == KeyType::ecdsa_p384 ? EVP_sha384() : EVP_sha256();
  if (X509_REQ_set_version(request.get(), 0) != 1 ||
      X509_REQ_set_pubkey(request.get(), key.native()) != 1 || !add_names(request.get(), names) ||
      X509_REQ_sign(request.get(), key.native(), digest) == 0) {
    return openssl_error("make a certificate request");
  }
  return to_der(i2d_X509_REQ, request.get());
}

}  // namespace everseal::crypto
