// By which names the CA may be called.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "base/result.h"

namespace everseal::ca {

// Hosts with their ports. A signed request is good for the CA that it names (RFC 8555 §6.4): what
// somebody signed for another CA must not be good here, whatever Host came with it. And a page that
// had its own name lead to this machine (DNS rebinding) must not be heard.
class OwnNames {
 public:
  struct Name {
    std::string host{};      // a DNS name or an address without brackets, lower-case
    std::uint16_t port = 0;  // 0: not said
  };

  // "ca.example", "ca.example:8443", "192.0.2.1", "::1", "[::1]:443". Errors: invalid.
  static Result<Name> parse(std::string_view text);

  // `host` as in Name.
  void add(std::string_view host, std::uint16_t port);

  // Whether an "https://HOST:PORT" or "http://HOST" is ours.
  bool include(std::string_view origin) const;

 private:
  std::set<std::string> authorities_;  // always with a port
};

}  // namespace everseal::ca
