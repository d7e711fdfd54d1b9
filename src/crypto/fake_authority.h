// A certificate authority in memory, for tests.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "crypto/certificate.h"
#include "crypto/private_key.h"

namespace everseal::crypto {

// What a FakeAuthority is asked to put into a leaf.
struct FakeLeaf {
  std::string public_key_der{};
  std::vector<std::string> names{};      // DNS names
  std::vector<std::string> addresses{};  // "192.0.2.1"
  Time not_before{}, not_after{};
};

// Issues certificates of any content, good or bad, in the name "CN=NAME".
class FakeAuthority {
 public:
  // Signed by `issuer`, or by itself; valid from 2020 to 2100.
  explicit FakeAuthority(const std::string& name, const FakeAuthority* issuer = nullptr);

  const Certificate& certificate() const { return certificate_; }
  Certificate issue(const FakeLeaf& leaf) const;

 private:
  std::string name_;
  PrivateKey key_;
  Certificate certificate_;
};

}  // namespace everseal::crypto
