// What acme needs of the keeper of the account key.
#pragma once

#include <string>

#include "acme/payload.h"
#include "base/result.h"
#include "crypto/jws.h"

namespace everseal::acme {

// An account has one key, and a second one while it is changed.
enum class AccountKey { present, next };

// Interface for using an account key that one does not hold.
class Signer {
 public:
  virtual ~Signer() = default;

  // crypto::sign_jws of the payload's text with the account key. Errors: rejected (a payload that
  // the signer does not answer for).
  virtual Result<std::string> sign(const crypto::JwsHeader& header, const Payload& payload) = 0;
};

}  // namespace everseal::acme
