#include "crypto/verifier.h"

#include <algorithm>

#include "base/domain_name.h"
#include "base/encoding.h"
#include "crypto/certificate_request.h"
#include "crypto/public_key.h"

namespace everseal::crypto {
namespace {

// The common name is a name of the order like the others (RFC 8555 §7.4).
Result<std::vector<std::string>> names_of(const ReceivedRequest& request) {
  if (request.has_other_names || !request.addresses.empty())
    return base::invalid("it asks for other names than those of the DNS");
  std::vector<std::string> names;
  const auto add = [&](const std::string& text) -> Result<> {
    const std::string name = TRY(base::parse_domain_name(text));
    if (std::ranges::find(names, name) == names.end()) names.push_back(name);
    return {};
  };
  if (!request.common_name.empty()) TRY(add(request.common_name));
  for (const std::string& each : request.dns_names) TRY(add(each));
  if (names.empty()) return base::invalid("it asks for no name");
  return names;
}

}  // namespace

std::string EncodedChain::to_pem(std::size_t first) const {
  std::string pem;
  for (std::size_t i = first; i < certificates.size(); ++i)
    pem += base::to_pem("CERTIFICATE", certificates[i]);
  return pem;
}

std::string EncodedChain::leaf_pem() const {
  return base::to_pem("CERTIFICATE", certificates.front());
}

Result<EncodedChain> DirectVerifier::verify(std::string_view pem,
                                            const ExpectedCertificate& expected) {
  const CertificateChain chain = TRY(verify_chain(pem, expected));
  EncodedChain encoded{{},
                       chain.leaf().not_before(),
                       chain.leaf().not_after(),
                       chain.leaf().fingerprint(),
                       renewal_id(chain.leaf()).value_or("")};
  for (const Certificate& each : chain.certificates()) encoded.certificates.push_back(each.der());
  return encoded;
}

Result<LeafFacts> DirectVerifier::inspect(std::string_view pem) {
  const CertificateChain chain = TRY(CertificateChain::from_pem(pem));
  const Certificate& leaf = chain.leaf();
  LeafFacts facts{.names = leaf.dns_names(),
                  .self_signed = leaf.self_signed(),
                  .has_ocsp_responder = leaf.has_ocsp_responder(),
                  .not_before = leaf.not_before(),
                  .not_after = leaf.not_after(),
                  .fingerprint = leaf.fingerprint(),
                  .renewal_id = renewal_id(leaf).value_or(""),
                  .key_type = {}};
  if (const auto key = PublicKey::from_der(leaf.public_key_der()))
    facts.key_type = to_string(key->type());
  return facts;
}

Result<RequestFacts> DirectVerifier::read_request(std::string_view bytes) {
  std::string der = TRY(certificate_request_der(bytes));
  const ReceivedRequest request = TRY(parse_certificate_request(der));
  auto names = TRY(base::within("the certificate request", names_of(request)));
  return RequestFacts{std::move(der), request.public_key_der, std::move(names)};
}

}  // namespace everseal::crypto
