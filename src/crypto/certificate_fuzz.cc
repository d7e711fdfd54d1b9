#include "crypto/certificate.h"

// A chain that is read can be shown, and read again as the same chain.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto chain = everseal::crypto::CertificateChain::from_pem(text);
  if (!chain) return 0;
  for (const auto& one : chain->certificates()) {
    (void)one.dns_names(), (void)one.not_after(), (void)one.serial(), (void)one.issuer();
  }
  const auto again = everseal::crypto::CertificateChain::from_pem(chain->to_pem());
  if (!again || again->to_pem() != chain->to_pem()) __builtin_trap();
  return 0;
}
