// Nonces against replay (RFC 8555 §6.5).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace everseal::ca {

// Numbers under a MAC, each good once while it is among the last million. What is handed out is not
// kept: whoever asks for nonces without end makes nothing grow, and clients whose nonces became too
// old by it get badNonce and a new one. A restart with another key makes all of them bad likewise.
class Nonces {
 public:
  // `key`: 32 random bytes.
  explicit Nonces(std::string key);

  // base64url, 32 characters.
  std::string make();

  // True once for each that make() gave.
  bool use(std::string_view nonce);

 private:
  std::string mac(std::string_view number) const;

  const std::string key_;
  std::uint64_t next_ = 0;
  std::vector<bool> used_;  // of the last ones, by number modulo its size
};

}  // namespace everseal::ca
