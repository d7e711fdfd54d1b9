// What the configuration means: which server answers which name on which socket.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "nginx/config.h"

namespace everseal::nginx {

// One argument of server_name (ngx_http_core_server_name).
struct ServerName {
  enum class Kind {
    exact,
    leading_wildcard,   // *.example.com
    leading_dot,        // .example.com: the name and everything below it
    trailing_wildcard,  // www.example.*
    regex,              // ~…
  };
  Kind kind = Kind::exact;
  std::string name;                      // lower-case, as nginx compares it; a regex as written
  const Directive* directive = nullptr;  // null if the server has no server_name: the name is ""
};

// One address:port that a server listens on.
struct Listen {
  std::string host;  // "*", "10.0.0.1", "[::1]", a host name, or "unix:/path"
  std::string port;  // decimal or a range "80-90"; empty for unix:
  bool ssl = false;
  bool http2 = false;
  bool quic = false;
  bool proxy_protocol = false;
  bool default_server = false;
  const Directive* directive = nullptr;  // null if implied by the lack of any: *:80

  // What makes sockets the same: "*:80", "[::]:443", "*:443 udp" (quic).
  std::string address() const;
};

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

  // What nginx hashes: of equal names the first counts ("conflicting server name … ignored").
  std::unordered_map<std::string, const Server*> exact_names{};
  std::vector<std::pair<const ServerName*, const Server*>> wildcard_names{};
  std::vector<const Server*> regex_servers{};

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
  // Errors: invalid, if there is no http{}.
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

  // The servers that may answer `name` (lower-case) on `socket`: exactly one, by nginx's order of
  // exact name, longest "*.x", longest "x.*", default server. If regular expressions decide, it is
  // those servers that have one and the default: the expressions are not evaluated here.
  std::vector<const Server*> servers_for(const Socket& socket, std::string_view name) const;
  // The one server of servers_for(), or null if a regular expression decides.
  const Server* server_for(const Socket& socket, std::string_view name) const;

  // Whether any socket of the server speaks TLS, by the union of all servers' flags.
  bool has_tls(const Server& server) const;

  // The directives `name` in force for a server: its own, else those of http{}. Each has an
  // argument.
  std::vector<const Directive*> effective(const Server& server, std::string_view name) const;

 private:
  Config config_;
  const Directive* http_ = nullptr;
  std::vector<Server> servers_;
  std::vector<Socket> sockets_;
  std::vector<ForeignListen> foreign_listens_;
};

// The direct children of `block` called `name`.
std::vector<const Directive*> children(const Directive& block, std::string_view name);

}  // namespace everseal::nginx
