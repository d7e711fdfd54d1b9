// The whole of RFC 8555 as one function of requests: the CA but for its sockets.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "ca/faults.h"
#include "ca/issuer.h"
#include "ca/ledger.h"
#include "ca/own_names.h"
#include "ca/policy.h"
#include "ca/validator.h"
#include "crypto/random.h"
#include "http/arrival.h"

namespace everseal::ca {

// How a request ends.
struct Answer {
  std::uint64_t id = 0;  // the arrival's
  http::Response response{};
  base::Milliseconds delay{};  // before it is sent
  bool dropped = false;        // not sent at all
};

struct FrontEndOptions {
  Policy policy{};
  std::string host{};  // "ca.example:8555": where CRLs and OCSP are to be found, by plain HTTP
  OwnNames names{};    // by which clients may call it, besides `host`
  crypto::Randomness random = crypto::random_bytes;
  std::function<void(const std::string&)> log = [](const std::string&) {};  // our failures
};

// Answers requests. Every URL that it gives begins with the scheme and host of the request, so that
// it is the same CA by whichever of its names clients call it; by other names it has only what is
// there without TLS (a CRL's URL is as old as the certificate that names it). The references must
// outlive it; one thread.
class FrontEnd {
 public:
  FrontEnd(Ledger& ledger, const Issuer& issuer, Validator& validator, const Clock& clock,
           FrontEndOptions options);
  ~FrontEnd();

  // Answers requests that came together, in order: with one commit, so that nothing that is
  // answered is ever forgotten. If it fails, all are told to come again.
  std::vector<Answer> handle(std::span<const http::Arrival> arrivals);

  // One request, as a function.
  http::Response handle(const http::Request& request);

  // Takes what the validator has found. To be called when its event() says so, and before a request
  // that wants to know; handle() does.
  void settle();

  // Begins the validations that the last run did not end.
  Result<> resume();

  // How many requests each resource had, by the names that faults know them by; "" for those to
  // none.
  const std::map<std::string, std::int64_t>& requests() const;

  Faults& faults();
  const Policy& policy() const;
  void set_policy(Policy policy);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace everseal::ca
