// Whether a request is what it should be and whose it is (RFC 8555 §6).
#pragma once

#include <string>
#include <unordered_map>

#include "ca/call.h"

namespace everseal::ca {

// By whose key a request must be signed.
enum class Signer {
  nobody,   // no signature at all
  key,      // the one that it brings ("jwk")
  account,  // a valid account's ("kid")
  either,   // one of the last two
};

// The keys of accounts as they were read lately: reading one takes longer than a request.
class KeyCache {
 public:
  Checked<crypto::PublicKey> find(const Account& account);

 private:
  std::unordered_map<std::string, crypto::PublicKey> keys_;  // by thumbprint
};

// Fills account, key and payload of `call`, whose other members are known. What it refuses has not
// used its nonce up.
Checked<> authenticate(Context& context, KeyCache& keys, const http::Request& request,
                       Signer signer, Call& call);

}  // namespace everseal::ca
