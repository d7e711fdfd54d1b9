// Looking at a running server as a visitor does: one handshake, one request.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "crypto/private_key.h"

namespace everseal::scan {

// Where to connect, and what to say first.
struct Target {
  std::string address;  // IPv4 or IPv6, numeric
  std::uint16_t port = 0;
  bool proxy_protocol = false;  // send a PROXY header first (haproxy, proxy-protocol.txt, v1)
  std::optional<crypto::KeyFamily> key{};  // understand no signature of another one
};

// "[::1]:443".
std::string to_string(const Target& target);

// Reads that. Errors: invalid.
Result<Target> parse_target(std::string_view text);

// The leaf that a server presented.
struct Leaf {
  std::string fingerprint;  // SHA-256 of the DER, lower-case hexadecimal
  std::string issuer;       // printable
  Time not_after{};
};

struct Answer {
  int status = 0;
  std::string location;  // of a redirect
  std::string body;      // the first 64 KiB
};

// Interface for looking. privsep's implementation does it in a process without any rights.
class Visitor {
 public:
  virtual ~Visitor() = default;

  // The leaf that the server presents for `server_name` (SNI), whether or not it would be trusted.
  // Errors: transient (connection, time, the server's alert).
  virtual Result<Leaf> handshake(const Target& target, const std::string& server_name,
                                 base::Milliseconds timeout) = 0;

  // A plain GET of `path` (with a Host header) on its own connection. Errors: transient
  // (connection, time), rejected (not HTTP).
  virtual Result<Answer> get(const Target& target, const std::string& host, const std::string& path,
                             base::Milliseconds timeout) = 0;
};

// What this machine's resolver says of a name.
struct Whereabouts {
  std::vector<std::string> addresses{};  // numeric, in the resolver's order
  std::string problem{};                 // why there are none
};

// Interface for looking at a name from outside as a CA does: where it leads, and what answers there
// on port 80.
class Scout {
 public:
  virtual ~Scout() = default;

  // In the names' order, as far as the resolver answered within `patience`. Errors: transient.
  virtual Result<std::vector<Whereabouts>> look_up(const std::vector<std::string>& names,
                                                   base::Milliseconds patience) = 0;

  // As Visitor::get().
  virtual Result<Answer> get(const Target& target, const std::string& host, const std::string& path,
                             base::Milliseconds timeout) = 0;
};

// In this process.
class DirectVisitor : public Visitor {
 public:
  Result<Leaf> handshake(const Target& target, const std::string& server_name,
                         base::Milliseconds timeout) override;
  Result<Answer> get(const Target& target, const std::string& host, const std::string& path,
                     base::Milliseconds timeout) override;
};

}  // namespace everseal::scan
