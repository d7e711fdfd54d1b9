#include "nginx/challenge_edit.h"

#include <algorithm>
#include <set>

namespace everseal::nginx {
namespace {

bool is_plain_80(const Socket& socket) {
  return socket.port == "80" && !socket.is_tls() && !socket.host.starts_with("unix:");
}

// Where a CA may knock for the names of `site`: the plain sockets its servers listen on and, unless
// these are all of single addresses, those of all addresses: a name may lead to a family that only
// the default server has.
std::vector<const Socket*> doors(const Model& model, const Site& site) {
  std::vector<const Socket*> own, wide;
  for (const Socket& socket : model.sockets()) {
    if (!is_plain_80(socket)) continue;
    const bool is_own = std::ranges::any_of(socket.servers, [&](const Server* server) {
      return std::ranges::find(site.servers, server) != site.servers.end();
    });
    const bool is_wide = socket.host == "*" || socket.host == "[::]";
    if (is_own) own.push_back(&socket);
    if (is_wide) wide.push_back(&socket);
  }
  const bool single_addresses = !own.empty() && std::ranges::none_of(own, [](const Socket* socket) {
    return socket->host == "*" || socket->host == "[::]";
  });
  if (single_addresses) return own;
  for (const Socket* socket : wide)
    if (std::ranges::find(own, socket) == own.end()) own.push_back(socket);
  return own;
}

// Lua that runs before our rewrite rules could: the answer is then the script's.
bool runs_script_first(const Model& model, const Server& server) {
  for (std::string_view name : {"server_rewrite_by_lua_block", "server_rewrite_by_lua_file"}) {
    if (!model.effective(server, name).empty()) return true;
  }
  return false;
}

}  // namespace

ChallengeServers challenge_servers(const Model& model, const Site& site) {
  ChallengeServers found;
  std::set<const Server*> servers;
  const std::vector<const Socket*> sockets = doors(model, site);
  for (const std::string& name : site.names) {
    bool answered = false;
    for (const Socket* socket : sockets) {
      for (const Server* server : model.servers_for(*socket, name)) {
        if (runs_script_first(model, *server)) continue;
        servers.insert(server);
        answered = true;
      }
    }
    if (!answered) found.no_http.push_back(name);
  }
  // Servers lie in one vector: their addresses are in configuration order.
  found.servers.assign(servers.begin(), servers.end());
  return found;
}

bool includes_file(const Server& server, std::string_view path) {
  return std::ranges::any_of(server.directive->statement->children, [&](const Statement& child) {
    return child.name() == "include" && child.words.size() == 2 && child.words[1].value == path;
  });
}

}  // namespace everseal::nginx
