// What the ways to validate share: settings, time, and how they say no.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "acme/resources.h"
#include "base/address.h"
#include "base/clock.h"
#include "base/result.h"
#include "ca/reach.h"
#include "ca/validator.h"
#include "dns/resolver.h"

namespace everseal::ca {

struct ValidationSettings {
  std::uint16_t http_port = 80;    // of http-01, and of redirects to http
  std::uint16_t https_port = 443;  // of redirects to https
  std::uint16_t tls_port = 443;    // of tls-alpn-01
  // The names by which CAA records may allow this CA; none: CAA is not looked at.
  std::vector<std::string> caa_identities{};
  Reach reach{};
  base::Milliseconds connect_timeout{5000};
  base::Milliseconds step_timeout{10'000};   // of one look-up, one request, one handshake
  base::Milliseconds total_timeout{40'000};  // of one validation
  // At work at once. One for each thread; most of a thread's time is waiting.
  Shares at_work = {.account = 8, .network = 16, .all = 64};
};

// A step of a validation, or why it fails: what the client will read (RFC 8555 §6.7).
template <class T = void>
using Proven = std::expected<T, acme::Problem>;

// "dns", "connection", "tls", "caa" or "unauthorized"; caa and unauthorized are 403, others 400.
std::unexpected<acme::Problem> disproven(std::string_view type, std::string detail);

// One validation under way.
struct ValidationContext {
  const Validation& validation;
  const ValidationSettings& settings;
  dns::Resolver& resolver;
  Instant deadline;  // of the whole

  // When the step that begins now has to end.
  Instant step_deadline() const;

  // How long that is from now, and at most until the end of the whole.
  base::Milliseconds time_for(base::Milliseconds most) const;
};

// The answer of a look-up of `what` ("TXT"): a failure becomes the problem "dns".
template <class T>
Proven<T> looked_up(std::string_view what, Result<T> answer) {
  if (answer) return *std::move(answer);
  return disproven("dns", "look up " + std::string(what) + " of " + answer.error().message);
}

// An address that settings.reach lets a validation connect to: there is no other way to one, and
// what is connected to is what was looked at.
class Destination {
 public:
  const std::string& address() const { return address_; }
  base::SocketAddress at(std::uint16_t port) const;

 private:
  friend Proven<std::vector<Destination>> destinations_of(const ValidationContext& context,
                                                          const std::string& host);
  explicit Destination(std::string address) : address_(std::move(address)) {}

  std::string address_;
};

// The one to try first, and another one to try if that cannot be connected to: of each family the
// first that is in reach, IPv6 first. An address is its own. Problems: dns, connection (none is in
// reach).
Proven<std::vector<Destination>> destinations_of(const ValidationContext& context,
                                                 const std::string& host);

// "TOKEN.THUMBPRINT" (RFC 8555 §8.1).
std::string key_authorization(const Validation& validation);

}  // namespace everseal::ca
