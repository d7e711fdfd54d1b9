// What the resources of the front end share: the CA around them, and the request before them.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "ca/issuer.h"
#include "ca/ledger.h"
#include "ca/nonces.h"
#include "ca/policy.h"
#include "ca/problem.h"
#include "ca/rate_limits.h"
#include "ca/validations.h"
#include "ca/validator.h"
#include "crypto/public_key.h"
#include "crypto/random.h"
#include "http/message.h"

namespace everseal::ca {

struct IssuanceFault;

// A CRL that was signed, until it is too old or something was revoked.
struct SignedList {
  std::string der{};
  Time at{};
};

// The CA as its resources see it; lives as long as the front end.
struct Context {
  Ledger& ledger;
  const Issuer& issuer;
  Validator& validator;
  const Clock& clock;
  crypto::Randomness random;
  Policy policy;
  std::string host;  // "ca.example:8555": where CRLs and OCSP are to be found
  Nonces nonces;
  RateLimits limits;
  std::function<void(const std::string&)> log;  // our failures

  std::map<std::string, SignedList, std::less<>> lists{};  // by issuer
  Validations validations{};
  // What is to be wrong with certificates of orders that are processed, by order, for tests.
  std::map<std::int64_t, std::shared_ptr<const IssuanceFault>> processed_faults{};
};

// A request that was let in.
struct Call {
  http::Method method = http::Method::get;
  std::string base{};                // "https://ca.example:8555": what its URLs begin with
  std::string url{};                 // whole
  std::vector<std::string> words{};  // what each "*" of the route stands for
  std::string network{};             // of the client, as network_of() gives it
  std::string accept{};              // the header of this name, as it is
  Time now{};
  std::string payload{};             // of the JWS; empty: POST-as-GET. Without a JWS: the body
  std::optional<Account> account{};  // whose key signed; none if the request brought its key
  std::optional<crypto::PublicKey> key{};  // that signed
  const IssuanceFault* fault = nullptr;    // what is to be wrong with a certificate, for tests
};

// What a resource answers.
using Answered = Checked<http::Response>;
using Resource = Answered (*)(Context& context, const Call& call);

// The URLs of resources; `base` is Call::base.
std::string account_url(std::string_view base, std::int64_t account);
std::string order_url(std::string_view base, std::int64_t order);
std::string authorization_url(std::string_view base, std::int64_t authorization);

// The number that a word of a URL is; 0, which no resource has, if it is none.
std::int64_t to_number(std::string_view word);

// malformed (404).
std::unexpected<Refusal> no_such(std::string_view what);

// Of JSON.
http::Response respond(int status, std::string body);

}  // namespace everseal::ca
