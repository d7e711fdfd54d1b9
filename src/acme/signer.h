// What acme needs of the keeper of the account key.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "crypto/jws.h"

namespace everseal::acme {

// Interface for using an account key that one does not hold.
class Signer {
 public:
  virtual ~Signer() = default;

  // crypto::sign_jws with the account key.
  virtual Result<std::string> sign(const crypto::JwsHeader& header, std::string_view payload) = 0;

  // crypto::thumbprint of the account key.
  virtual Result<std::string> thumbprint() = 0;

  // crypto::bind_external_account for the account key.
  virtual Result<std::string> bind_external_account(std::string_view url,
                                                    const crypto::ExternalAccount& account) = 0;
};

}  // namespace everseal::acme
