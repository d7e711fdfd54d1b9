#include "crypto/verifier.h"

#include "base/encoding.h"

namespace everseal::crypto {
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
  return LeafFacts{leaf.dns_names(), leaf.self_signed(), leaf.has_ocsp_responder(),
                   leaf.not_before(), leaf.not_after()};
}

}  // namespace everseal::crypto
