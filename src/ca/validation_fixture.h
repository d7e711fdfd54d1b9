// What the tests of validation share.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "ca/validation_context.h"
#include "dns/fake_resolver.h"

namespace everseal::ca {

// A validation of a.example, which has the address 127.0.0.1, with the key authorization
// "token.thumbprint".
class ValidationTest : public testing::Test {
 protected:
  ValidationTest() {
    resolver_.put("a.example", {.v4 = {"127.0.0.1"}});
    settings_.reach.loopback = Reach::Loopback::allowed;
  }

  ValidationContext context() {
    return {.validation = validation_,
            .settings = settings_,
            .resolver = resolver_,
            .deadline = std::chrono::steady_clock::now() + settings_.total_timeout};
  }

  // "proven", or "TYPE: DETAIL".
  static std::string verdict(const Proven<>& proven) {
    return proven ? "proven" : proven.error().describe();
  }

  Validation validation_{.name = "a.example", .token = "token", .thumbprint = "thumbprint"};
  ValidationSettings settings_;
  dns::FakeResolver resolver_;
};

}  // namespace everseal::ca
