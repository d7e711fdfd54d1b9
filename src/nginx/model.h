// What the configuration means: which server answers which name on which socket.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "nginx/config.h"
#include "nginx/listen.h"
#include "nginx/server_name.h"

namespace everseal::nginx {

// One server block of http{}.
struct Server {
  const Directive* directive = nullptr;
  std::vector<ServerName> names;  // never empty
  std::vector<Listen> listens;    // never empty

  // "FILE:LINE".
  std::string where() const { return directive->where(); }
};

// An address:port with the union of its protocol flags and its servers in nginx's order.
struct Socket {
  std::string address;
  std::string host;
  std::string port;
  bool ssl = false;
  bool http2 = false;
  bool quic = false;
  bool proxy_protocol = false;
  std::vector<const Server*> servers{};
  const Server* default_server = nullptr;

  NameTable names{};
  // The names without wildcards: each x of "x" and ".x", with the first server that lists it.
  std::unordered_map<std::string, const Server*> exact_names{};

  bool is_tls() const { return ssl || quic; }
};

// An address:port that stream{} or mail{} holds: http{} cannot have it too.
struct ForeignListen {
  std::string address;
  const Directive* directive = nullptr;
};

// The http{} of a configuration. Move-only; servers, sockets and directives keep their addresses.
class Model {
 public:
  // Errors: invalid, if there is no http{}, or more than a million listens, for a range is one for
  // each port.
  static Result<Model> build(Config config);
  // Config::load, then build.
  static Result<Model> load(const FileReader& reader, const std::string& main_path);

  const Config& config() const { return config_; }
  const Directive& http() const { return *http_; }
  const std::vector<Server>& servers() const { return servers_; }
  const std::vector<Socket>& sockets() const { return sockets_; }
  const std::vector<ForeignListen>& foreign_listens() const { return foreign_listens_; }

  // Null if no server listens there.
  const Socket* socket(std::string_view address) const;

  // The servers that may answer `name` (lower-case) on `socket`: one, the first of those in the
  // socket's table of names, else its default server. They are several only where a regular
  // expression that PCRE refuses would decide.
  std::vector<const Server*> servers_for(const Socket& socket, std::string_view name) const;
  // The one server of servers_for(), or null if there are several.
  const Server* server_for(const Socket& socket, std::string_view name) const;

  // Whether any socket of the server speaks TLS, by the union of all servers' flags.
  bool has_tls(const Server& server) const;

  // Whether the server refuses every handshake (ssl_reject_handshake, nginx 1.19.4).
  bool rejects_handshakes(const Server& server) const;

  // The directives `name` in force for a server: its own, else those of http{}. Each has an
  // argument.
  std::vector<const Directive*> effective(const Server& server, std::string_view name) const;

 private:
  Config config_;
  const Directive* http_ = nullptr;
  // What http{} states for all servers, by name.
  std::unordered_map<std::string_view, std::vector<const Directive*>> inherited_;
  std::vector<Server> servers_;
  std::vector<Socket> sockets_;
  std::unordered_map<std::string_view, const Socket*> by_address_;
  std::vector<ForeignListen> foreign_listens_;
};

// The direct children of `block` called `name`.
std::vector<const Directive*> children(const Directive& block, std::string_view name);

}  // namespace everseal::nginx
