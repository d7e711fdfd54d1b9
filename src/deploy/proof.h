// Proof that the running nginx does what was intended: seen from outside, not believed.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "deploy/error_log.h"
#include "nginx/instance.h"
#include "nginx/verify.h"
#include "scan/probe.h"

namespace everseal::deploy {

// A handshake for the endpoint's name, by a visitor who knows only this family of keys (none: any),
// shows this leaf.
struct ServesLeaf {
  nginx::Endpoint endpoint;
  std::optional<crypto::KeyFamily> key;
  std::string fingerprint;  // SHA-256 of the DER, hexadecimal
};

// Plain HTTP for the endpoint's name redirects to https on the same name.
struct Redirects {
  nginx::Endpoint endpoint;
};

// Plain HTTP for the endpoint's name answers any http-01 token (RFC 8555 §8.3).
struct AnswersChallenge {
  nginx::Endpoint endpoint;
  std::string thumbprint;  // of the account key, base64url
};

using Expectation = std::variant<ServesLeaf, Redirects, AnswersChallenge>;

struct Disproof {
  std::string name;  // the endpoint's
  Error error;       // what was seen instead, and where
};

// How long a reload may take to show, before it counts as failed.
inline constexpr base::Milliseconds kPatience{10'000};

// The workers that a reload has started.
struct NewWorkers {
  std::vector<pid_t> pids{};
  ErrorLog log{};  // what their master says since
  // How many were shutting down before it already: open connections hold them since an earlier one.
  std::size_t leftover = 0;
};

// Reloads nginx and waits, at most `patience`, until only new workers take connections: an old one
// would answer as before, to us or, worse, to the CA. Returns the new workers. Errors: those of
// nginx::Instance; transient, before anything is done, if a second master has its listeners and has
// not gone after `patience`; with the words of nginx's error log, and as no exit status tells:
// rejected, if the master goes on with the configuration of before; transient, if it has no worker
// left.
Result<NewWorkers> reload(const nginx::Instance& instance, base::Milliseconds patience);

// Whether those workers still live, or others that stay (somebody else may reload, too), and no
// second master has come. A worker that dies is replaced at once: visitors notice, a look may not.
// Errors: transient.
Result<> check_alive(const nginx::Instance& instance, const NewWorkers& workers);

// "example.org at [::1]:443".
std::string seen_at(const nginx::Endpoint& endpoint);

// What a visitor of the endpoint is shown, once. Errors: those of Visitor::handshake().
Result<scan::Leaf> see(scan::Visitor& visitor, const ServesLeaf& expected);

// Looks until everything expected is seen or `patience` has passed: after a reload old workers may
// answer for a moment. Returns what was not seen.
std::vector<Disproof> prove(scan::Visitor& visitor, std::span<const Expectation> expectations,
                            base::Milliseconds patience);

}  // namespace everseal::deploy
