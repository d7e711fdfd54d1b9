// What an intermediate signs with: a key of this process, or one that another process holds.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "crypto/private_key.h"

namespace everseal::ca {

// Interface of an ECDSA P-256 key.
class SigningKey {
 public:
  virtual ~SigningKey() = default;

  // ECDSA with SHA-256, in DER (RFC 3279 §2.2.3). Errors: internal; transient (who holds it is
  // gone).
  virtual Result<std::string> sign(std::string_view bytes) const = 0;
};

class OwnKey : public SigningKey {
 public:
  explicit OwnKey(crypto::PrivateKey key) : key_(std::move(key)) {}
  Result<std::string> sign(std::string_view bytes) const override { return key_.sign_der(bytes); }

 private:
  crypto::PrivateKey key_;
};

}  // namespace everseal::ca
