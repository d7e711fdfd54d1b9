#include "crypto/hmac.h"

#include <openssl/hmac.h>

#include <array>

#include "crypto/openssl.h"

namespace everseal::crypto {

std::string hmac_sha256(std::string_view key, std::string_view bytes) {
  std::array<unsigned char, 32> mac;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), to_unsigned(bytes), bytes.size(),
       mac.data(), nullptr);
  return {reinterpret_cast<char*>(mac.data()), mac.size()};
}

}  // namespace everseal::crypto
