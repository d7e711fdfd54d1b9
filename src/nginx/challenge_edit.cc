#include "nginx/challenge_edit.h"

#include <algorithm>
#include <set>

namespace everseal::nginx {
namespace {

bool is_plain_80(const Socket& socket) {
  return socket.port == "80" && !socket.is_tls() && !socket.host.starts_with("unix:");
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
  for (const std::string& name : site.names) {
    bool answered = false;
    for (const Socket& socket : model.sockets()) {
      if (!is_plain_80(socket)) continue;
      for (const Server* server : model.servers_for(socket, name)) {
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
