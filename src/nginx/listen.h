// Where a server listens.
#pragma once

#include <string>
#include <vector>

#include "nginx/config.h"

namespace everseal::nginx {

// One address:port that a server listens on.
struct Listen {
  std::string host;  // "*", "10.0.0.1", "[::1]", a host name, or "unix:/path"
  std::string port;  // decimal; empty for unix:
  bool ssl = false;
  bool http2 = false;
  bool quic = false;
  bool proxy_protocol = false;
  bool default_server = false;
  const Directive* directive = nullptr;  // null if implied by the lack of any: *:80

  // What makes sockets the same: "*:80", "[::]:443", "*:443 udp" (quic).
  std::string address() const;
};

// What a listen directive of http{}, stream{} or mail{} means (ngx_parse_url): one for each port of
// a range. Addresses are written as inet_ntop(3) does; a host name stays, for what it resolves to
// is nginx's to find out.
std::vector<Listen> read_listens(const Directive& directive);

}  // namespace everseal::nginx
