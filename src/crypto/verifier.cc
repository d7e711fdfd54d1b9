#include "crypto/verifier.h"

#include <openssl/pem.h>

#include "base/encoding.h"
#include "crypto/jws.h"
#include "crypto/openssl.h"

namespace everseal::crypto {
namespace {

// RFC 7468 §2: lines of 64 characters.
void append_pem(std::string& pem, const std::string& der) {
  BioPointer bio = writer();
  PEM_write_bio(bio.get(), PEM_STRING_X509, "", to_unsigned(der), static_cast<long>(der.size()));
  pem += written(bio);
}

}  // namespace

std::string EncodedChain::fingerprint() const { return base::hex(sha256(certificates.front())); }

std::string EncodedChain::to_pem(std::size_t first) const {
  std::string pem;
  for (std::size_t i = first; i < certificates.size(); ++i) append_pem(pem, certificates[i]);
  return pem;
}

std::string EncodedChain::leaf_pem() const {
  std::string pem;
  append_pem(pem, certificates.front());
  return pem;
}

Result<EncodedChain> DirectVerifier::verify(std::string_view pem,
                                            const ExpectedCertificate& expected) {
  const CertificateChain chain = TRY(verify_chain(pem, expected));
  EncodedChain encoded{{}, chain.leaf().not_before(), chain.leaf().not_after()};
  for (const Certificate& each : chain.certificates()) encoded.certificates.push_back(each.der());
  return encoded;
}

Result<LeafFacts> DirectVerifier::inspect(std::string_view pem) {
  const CertificateChain chain = TRY(CertificateChain::from_pem(pem));
  const Certificate& leaf = chain.leaf();
  return LeafFacts{leaf.dns_names(), leaf.self_signed(), leaf.not_before(), leaf.not_after()};
}

}  // namespace everseal::crypto
