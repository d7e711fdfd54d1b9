#include "crypto/certificate_request.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>

#include "base/address.h"
#include "base/domain_name.h"
#include "base/encoding.h"
#include "crypto/key_traits.h"
#include "crypto/openssl.h"
#include "crypto/public_key.h"

namespace everseal::crypto {
namespace {

constexpr std::size_t kMostBytes = 64 << 10;

using RequestPointer = std::unique_ptr<X509_REQ, Freer<X509_REQ_free>>;

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

Result<RequestPointer> decode(std::string_view der) {
  const unsigned char* data = to_unsigned(der);
  RequestPointer request(der.size() > kMostBytes
                             ? nullptr
                             : d2i_X509_REQ(nullptr, &data, static_cast<long>(der.size())));
  ERR_clear_error();
  if (!request || data != to_unsigned(der) + der.size() ||
      X509_REQ_get_version(request.get()) != X509_REQ_VERSION_1) {
    return base::invalid("not a certificate request in DER");
  }
  return request;
}

bool uses_sha2(const X509_REQ* request) {
  int digest = NID_undef;
  OBJ_find_sigid_algs(X509_REQ_get_signature_nid(request), &digest, nullptr);
  return digest == NID_sha256 || digest == NID_sha384 || digest == NID_sha512;
}

Result<std::string> check_key_and_signature(X509_REQ* request) {
  const auto key =
      TRY(PublicKey::from_der(to_der(i2d_X509_PUBKEY, X509_REQ_get_X509_PUBKEY(request))));
  if (!uses_sha2(request)) return base::rejected("it is not signed with SHA-2");
  const bool holds = X509_REQ_verify(request, X509_REQ_get0_pubkey(request)) == 1;
  ERR_clear_error();
  if (!holds) return base::rejected("its signature does not hold");
  return key.der();
}

Result<std::string> printable_name(std::string_view name) {
  if (name.empty() || !std::ranges::all_of(name, [](char c) { return c > ' ' && c <= '~'; }))
    return base::invalid(fmt::format("not a name: {}", base::printable(name, 80)));
  return base::lower_case(name);
}

Result<std::string> read_address(std::string_view bytes) {
  auto text = base::address_text(bytes);
  if (!text) return base::invalid(fmt::format("an address of {} bytes", bytes.size()));
  return *std::move(text);
}

Result<> read_name(const GENERAL_NAME* name, ReceivedRequest& result) {
  switch (name->type) {
    case GEN_DNS:
      result.dns_names.push_back(TRY(printable_name(text_of(name->d.dNSName))));
      break;
    case GEN_IPADD:
      result.addresses.push_back(TRY(read_address(text_of(name->d.iPAddress))));
      break;
    default:
      result.has_other_names = true;
  }
  return {};
}

Result<> read_alternative_names(X509_EXTENSION* extension, ReceivedRequest& result) {
  const NamesPointer names(static_cast<GENERAL_NAMES*>(X509V3_EXT_d2i(extension)));
  ERR_clear_error();
  if (!names) return base::invalid("an alternative name that cannot be decoded");
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); i++)
    TRY(read_name(sk_GENERAL_NAME_value(names.get(), i), result));
  return {};
}

std::string name_of(const ASN1_OBJECT* object) {
  const int nid = OBJ_obj2nid(object);
  if (nid != NID_undef) return OBJ_nid2sn(nid);
  std::array<char, 80> text{};
  OBJ_obj2txt(text.data(), text.size(), object, 1);
  return text.data();
}

Result<> read_extensions(const STACK_OF(X509_EXTENSION) * extensions, ReceivedRequest& result) {
  for (int i = 0; i < sk_X509_EXTENSION_num(extensions); i++) {
    X509_EXTENSION* const extension = sk_X509_EXTENSION_value(extensions, i);
    const ASN1_OBJECT* const object = X509_EXTENSION_get_object(extension);
    if (X509v3_get_ext_by_OBJ(extensions, object, i) >= 0)
      return base::invalid(fmt::format("the extension {} twice", name_of(object)));
    if (OBJ_obj2nid(object) == NID_subject_alt_name)
      TRY(read_alternative_names(extension, result));
    else
      result.other_extensions.push_back(name_of(object));
  }
  return {};
}

// The extensions are one value of one attribute (RFC 2985 §5.4.2).
Result<> read_attributes(X509_REQ* request, ReceivedRequest& result) {
  const int first = X509_REQ_get_attr_by_NID(request, NID_ext_req, -1);
  if (first < 0) return {};
  if (X509_REQ_get_attr_by_NID(request, NID_ext_req, first) >= 0)
    return base::invalid("two lists of extensions");
  const ExtensionsPointer extensions(X509_REQ_get_extensions(request));
  ERR_clear_error();
  if (!extensions) return base::invalid("extensions that cannot be decoded");
  return read_extensions(extensions.get(), result);
}

Result<std::string> read_common_name(const X509_REQ* request) {
  const X509_NAME* const subject = X509_REQ_get_subject_name(request);
  const int first = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (first < 0) return std::string();
  if (X509_NAME_get_index_by_NID(subject, NID_commonName, first) >= 0)
    return base::invalid("more than one common name");
  return printable_name(common_name(subject));
}

Result<ReceivedRequest> read_request(std::string_view der) {
  const RequestPointer request = TRY(decode(der));
  ReceivedRequest result;
  result.common_name = TRY(read_common_name(request.get()));
  TRY(read_attributes(request.get(), result));
  result.public_key_der = TRY(check_key_and_signature(request.get()));
  return result;
}

}  // namespace

Result<std::string> make_certificate_request(const PrivateKey& key,
                                             std::span<const std::string> names) {
  TRY(check_names(names));
  RequestPointer request(X509_REQ_new());
  if (X509_REQ_set_version(request.get(), 0) != 1 ||
      X509_REQ_set_pubkey(request.get(), key.native()) != 1 || !add_names(request.get(), names) ||
      X509_REQ_sign(request.get(), key.native(), digest(key.type())) == 0) {
    return openssl_error("make a certificate request");
  }
  return to_der(i2d_X509_REQ, request.get());
}

Result<ReceivedRequest> parse_certificate_request(std::string_view der) {
  return base::within("the certificate request", read_request(der));
}

}  // namespace everseal::crypto
