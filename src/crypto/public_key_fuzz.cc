#include "crypto/public_key.h"

using everseal::crypto::PublicKey;

namespace {

// A key that is read is the same key in each of its forms.
void check(const everseal::Result<PublicKey>& key) {
  if (!key) return;
  const auto from_jwk = PublicKey::from_jwk(key->jwk());
  const auto from_der = PublicKey::from_der(key->der());
  if (!from_jwk || from_jwk->der() != key->der()) __builtin_trap();
  if (!from_der || from_der->thumbprint() != key->thumbprint()) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check(PublicKey::from_jwk(text));
  check(PublicKey::from_der(text));
  return 0;
}
