// What the CA needs of whoever looks whether an account controls a name.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "acme/resources.h"
#include "base/result.h"
#include "ca/requester.h"

namespace everseal::ca {

enum class ChallengeType { http_01, dns_01, tls_alpn_01 };

// "http-01", "dns-01", "tls-alpn-01".
std::string_view to_string(ChallengeType type);
// Errors: invalid.
Result<ChallengeType> parse_challenge_type(std::string_view text);

// What is looked at: what a client says it has made true (RFC 8555 §7.5.1) and whether the domain
// allows it, or, where the first is known, the second alone.
enum class Scope { challenge_and_caa, caa };

struct Validation {
  Scope scope = Scope::challenge_and_caa;
  ChallengeType type = ChallengeType::http_01;
  std::string name{};        // DNS name in base::parse_domain_name's form, without "*.", or address
  bool wildcard = false;     // "*.name" was asked for: matters to CAA alone
  std::string token{};       // base64url
  std::string thumbprint{};  // of the account's key, base64url (RFC 8555 §8.1)
  std::string account_url{};  // for RFC 8657's accounturi
  Requester requester{};
};

// How it ended.
struct ValidationOutcome {
  std::uint64_t id = 0;
  std::optional<acme::Problem> problem{};  // none: the name is the account's
};

// Interface for validating. Everything that was started ends, within a deadline of its own.
class Validator {
 public:
  virtual ~Validator() = default;

  // Begins; `id` is the caller's and names the outcome. Never waits.
  virtual void start(std::uint64_t id, Validation validation) = 0;

  // What ended since the last call. Never waits.
  virtual std::vector<ValidationOutcome> finished() = 0;

  // A descriptor that can be read while finished() has something to say; -1 if there is none.
  virtual int event() const { return -1; }
};

}  // namespace everseal::ca
