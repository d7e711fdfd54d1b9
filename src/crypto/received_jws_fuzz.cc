#include "crypto/received_jws.h"

// Whatever is sent as a signed request is read or refused, and what is read has one key and one
// URL.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)everseal::crypto::parse_external_account_binding(text);
  const auto jws = everseal::crypto::parse_jws(text);
  if (!jws) return 0;
  if (jws->jwk.empty() == jws->kid.empty()) __builtin_trap();
  if (jws->signed_text.find('.') == jws->signed_text.npos) __builtin_trap();
  const auto key = everseal::crypto::PublicKey::from_jwk(jws->jwk);
  if (key) (void)jws->verify(*key);
  return 0;
}
