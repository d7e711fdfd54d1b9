#include "crypto/certificate_request.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/address.h"
#include "base/domain_name.h"
#include "base/encoding.h"
#include "crypto/der.h"
#include "crypto/key_traits.h"
#include "crypto/openssl.h"
#include "crypto/public_key.h"

namespace everseal::crypto {
namespace {

constexpr std::size_t kMostBytes = 64 << 10;
constexpr unsigned char kDnsName = 2;  // of a GeneralName (RFC 5280 §4.2.1.6)

using NamePointer = std::unique_ptr<X509_NAME, Freer<X509_NAME_free>>;
using AlgorithmPointer = std::unique_ptr<X509_ALGOR, Freer<X509_ALGOR_free>>;
using AttributePointer = std::unique_ptr<X509_ATTRIBUTE, Freer<X509_ATTRIBUTE_free>>;

void free_extensions(X509_EXTENSIONS* extensions) {
  sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
}
using ExtensionsPointer = std::unique_ptr<X509_EXTENSIONS, Freer<free_extensions>>;

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

// The attribute that asks for extensions (RFC 2985 §5.4.2): the alternative name.
std::string asked_extensions(std::span<const std::string> names) {
  std::string general_names;
  for (const std::string& name : names) general_names += der::implicit(kDnsName, name);
  const std::string alternative_name = der::sequence(
      der::object_identifier("2.5.29.17") + der::octet_string(der::sequence(general_names)));
  return der::sequence(der::object_identifier("1.2.840.113549.1.9.14") +
                       der::set(der::sequence(alternative_name)));
}

// A request as it is sent (RFC 2986 §4): each part is a whole element, but for the last two.
struct Parts {
  std::string_view info, subject, public_key, algorithm;
  std::string_view attributes, signature;  // the attributes in a row; the bytes
};

// What the element at the beginning of `bytes` holds, and the element itself.
struct Element {
  std::string_view content, whole;
};

// Takes it off `bytes`. Errors: invalid (another tag, a length that is not told beforehand).
Result<Element> take(std::string_view& bytes, int wanted_tag, int wanted_class = V_ASN1_UNIVERSAL) {
  const unsigned char* at = to_unsigned(bytes);
  long size = 0;
  int tag = 0, tag_class = 0;
  const int form = ASN1_get_object(&at, &size, &tag, &tag_class, static_cast<long>(bytes.size()));
  ERR_clear_error();
  if ((form & ~V_ASN1_CONSTRUCTED) != 0 || tag != wanted_tag || tag_class != wanted_class)
    return base::invalid("not a certificate request in DER");
  const auto begin = static_cast<std::size_t>(at - to_unsigned(bytes));
  const Element element{bytes.substr(begin, static_cast<std::size_t>(size)),
                        bytes.substr(0, begin + static_cast<std::size_t>(size))};
  bytes.remove_prefix(element.whole.size());
  return element;
}

// By hand, since d2i_X509_REQ() looks for a decoder for the key, which takes longer than all else.
Result<Parts> split(std::string_view der) {
  if (der.size() > kMostBytes) return base::invalid("not a certificate request in DER");
  std::string_view request = TRY(take(der, V_ASN1_SEQUENCE)).content;
  const Element info = TRY(take(request, V_ASN1_SEQUENCE));
  std::string_view rest = info.content;
  const Element version = TRY(take(rest, V_ASN1_INTEGER));
  Parts parts;
  parts.info = info.whole;
  parts.subject = TRY(take(rest, V_ASN1_SEQUENCE)).whole;
  parts.public_key = TRY(take(rest, V_ASN1_SEQUENCE)).whole;
  if (!rest.empty()) parts.attributes = TRY(take(rest, 0, V_ASN1_CONTEXT_SPECIFIC)).content;
  parts.algorithm = TRY(take(request, V_ASN1_SEQUENCE)).whole;
  parts.signature = TRY(take(request, V_ASN1_BIT_STRING)).content;
  const bool whole_bytes = parts.signature.starts_with('\0');
  if (!der.empty() || !request.empty() || !rest.empty() || !whole_bytes ||
      version.whole != der::integer(0))
    return base::invalid("not a certificate request in DER");
  parts.signature.remove_prefix(1);
  return parts;
}

// Reads an element by its d2i function, and nothing may follow. Errors: invalid.
template <class Pointer, class Decode>
Result<Pointer> read(std::string_view element, Decode decode, std::string_view what) {
  const unsigned char* at = to_unsigned(element);
  Pointer object(decode(nullptr, &at, static_cast<long>(element.size())));
  ERR_clear_error();
  if (!object || at != to_unsigned(element) + element.size())
    return base::invalid(fmt::format("{} that cannot be decoded", what));
  return object;
}

// SHA-2 by the algorithm's name, with a key of the type; null if it is anything else.
const EVP_MD* digest_of(const X509_ALGOR* algorithm, KeyType type) {
  const ASN1_OBJECT* object = nullptr;
  X509_ALGOR_get0(&object, nullptr, nullptr, algorithm);
  int digest = NID_undef, key = NID_undef;
  OBJ_find_sigid_algs(OBJ_obj2nid(object), &digest, &key);
  const int own =
      family_of(type) == KeyFamily::ecdsa ? NID_X9_62_id_ecPublicKey : NID_rsaEncryption;
  const bool sha2 = digest == NID_sha256 || digest == NID_sha384 || digest == NID_sha512;
  return sha2 && key == own ? EVP_get_digestbynid(digest) : nullptr;
}

// The key's encoding.
Result<std::string> check_key_and_signature(const Parts& parts) {
  const auto key = TRY(PublicKey::from_der(parts.public_key));
  const auto algorithm =
      TRY(read<AlgorithmPointer>(parts.algorithm, d2i_X509_ALGOR, "a signature algorithm"));
  const EVP_MD* const digest = digest_of(algorithm.get(), key.type());
  if (!digest) return base::rejected("it is not signed with its key and SHA-2");
  if (!key.made(parts.signature, digest, parts.info))
    return base::rejected("its signature does not hold");
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

Result<> read_extensions(const X509_EXTENSIONS* extensions, ReceivedRequest& result) {
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

bool asks_for_extensions(X509_ATTRIBUTE* attribute) {
  return OBJ_obj2nid(X509_ATTRIBUTE_get0_object(attribute)) == NID_ext_req;
}

// The extensions are one value of one attribute (RFC 2985 §5.4.2).
Result<> read_attributes(std::string_view attributes, ReceivedRequest& result) {
  bool found = false;
  while (!attributes.empty()) {
    const auto attribute = TRY(read<AttributePointer>(TRY(take(attributes, V_ASN1_SEQUENCE)).whole,
                                                      d2i_X509_ATTRIBUTE, "an attribute"));
    if (!asks_for_extensions(attribute.get())) continue;
    if (std::exchange(found, true) || X509_ATTRIBUTE_count(attribute.get()) > 1)
      return base::invalid("two lists of extensions");
    const auto* const list = static_cast<const ASN1_STRING*>(
        X509_ATTRIBUTE_get0_data(attribute.get(), 0, V_ASN1_SEQUENCE, nullptr));
    const auto extensions = TRY(read<ExtensionsPointer>(list ? text_of(list) : std::string_view(),
                                                        d2i_X509_EXTENSIONS, "extensions"));
    TRY(read_extensions(extensions.get(), result));
  }
  return {};
}

Result<std::string> read_common_name(const X509_NAME* subject) {
  const int first = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (first < 0) return std::string();
  if (X509_NAME_get_index_by_NID(subject, NID_commonName, first) >= 0)
    return base::invalid("more than one common name");
  return printable_name(common_name(subject));
}

Result<ReceivedRequest> read_request(std::string_view der) {
  const Parts parts = TRY(split(der));
  const auto subject = TRY(read<NamePointer>(parts.subject, d2i_X509_NAME, "a subject"));
  ReceivedRequest result;
  result.common_name = TRY(read_common_name(subject.get()));
  TRY(read_attributes(parts.attributes, result));
  result.public_key_der = TRY(check_key_and_signature(parts));
  return result;
}

}  // namespace

Result<std::string> make_certificate_request(const PrivateKey& key,
                                             std::span<const std::string> names) {
  TRY(check_names(names));
  const std::string no_subject = der::sequence({});
  const std::string info = der::sequence(der::integer(0) + no_subject + key.public_key_der() +
                                         der::tagged(0, asked_extensions(names)));
  const std::string signature = TRY(key.sign_der(info));
  return der::sequence(info + signature_algorithm(key.type()) + der::bit_string(signature));
}

Result<ReceivedRequest> parse_certificate_request(std::string_view der) {
  return base::within("the certificate request", read_request(der));
}

Result<std::string> certificate_request_der(std::string_view bytes) {
  constexpr std::string_view kBegin = "-----BEGIN ", kLabel = "CERTIFICATE REQUEST-----";
  const std::size_t begin = bytes.find(kBegin);
  if (begin == bytes.npos) return std::string(bytes);
  const std::string_view rest = bytes.substr(begin + kBegin.size());
  if (!rest.starts_with(kLabel) && !rest.starts_with("NEW CERTIFICATE REQUEST-----"))
    return base::invalid("not a certificate request in PEM");
  if (rest.contains(kBegin)) return base::invalid("more than one thing in the PEM of a request");
  char *name = nullptr, *header = nullptr;
  unsigned char* data = nullptr;
  long size = 0;
  const BioPointer bio = reader(bytes);
  const int read = PEM_read_bio(bio.get(), &name, &header, &data, &size);
  std::string der;
  if (read == 1) der.assign(reinterpret_cast<char*>(data), static_cast<std::size_t>(size));
  OPENSSL_free(name);
  OPENSSL_free(header);
  OPENSSL_free(data);
  ERR_clear_error();
  if (read != 1) return base::invalid("a certificate request whose PEM cannot be decoded");
  return der;
}

}  // namespace everseal::crypto
