#include "nginx/challenge_edit.h"

#include <fmt/format.h>

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

// Lua that runs before our rewrite rules could, so that the answer is the script's; or null. What
// runs in later phases (rewrite_by_lua of a location among them) never sees an answered request.
const Directive* script_before(const Model& model, const Server& server) {
  for (std::string_view name : {"server_rewrite_by_lua_block", "server_rewrite_by_lua_file"}) {
    for (const Directive* block : {server.directive, &model.http()}) {
      if (const auto found = children(*block, name); !found.empty()) return found.back();
    }
  }
  return nullptr;
}

bool accepts_ipv4_too(const Socket& socket) {
  return std::ranges::any_of(socket.servers, [&](const Server* server) {
    return std::ranges::any_of(server->listens, [&](const Listen& listen) {
      if (listen.directive == nullptr || listen.address() != socket.address) return false;
      const auto& words = listen.directive->statement->words;
      return std::ranges::find(words, "ipv6only=off", &Word::value) != words.end();
    });
  });
}

// What holds port 80 without speaking plain HTTP there, or null.
const Directive* other_use_of_port_80(const Model& model) {
  for (const ForeignListen& foreign : model.foreign_listens()) {
    if (foreign.address.ends_with(":80")) return foreign.directive;
  }
  for (const Socket& socket : model.sockets()) {
    if (socket.port == "80") return socket.servers.front()->directive;
  }
  return nullptr;
}

Unanswered without_door(const Model& model, const Site& site, const std::string& name) {
  const Directive* other = other_use_of_port_80(model);
  const bool foreign = std::ranges::any_of(
      model.foreign_listens(), [&](const ForeignListen& each) { return each.directive == other; });
  if (foreign) {
    return {name, other->where(),
            "port 80 belongs to another kind of server than http{}, so the CA cannot be answered "
            "there: free it, or get the certificate with `everseal issue` by webroot"};
  }
  return {
      name, site.where,
      fmt::format("no server answers {} in clear on port 80, where the CA asks: add \"server {{ "
                  "listen 80; server_name {}; }}\"",
                  name, name)};
}

}  // namespace

ChallengeServers challenge_servers(const Model& model, const Site& site) {
  ChallengeServers found;
  std::set<const Server*> servers;
  const std::vector<const Socket*> sockets = doors(model, site);
  for (const Socket* socket : sockets) {
    const bool is_ipv6 = socket->host.starts_with('[');
    found.ipv6 |= is_ipv6;
    found.ipv4 |= !is_ipv6 || accepts_ipv4_too(*socket);
  }
  found.no_http = sockets.empty() && other_use_of_port_80(model) == nullptr;
  if (found.no_http) return found;
  for (const std::string& name : site.names) {
    bool answered = false;
    const Directive* script = nullptr;
    for (const Socket* socket : sockets) {
      for (const Server* server : model.servers_for(*socket, name)) {
        if (const Directive* first = script_before(model, *server)) {
          script = first;
          continue;
        }
        servers.insert(server);
        answered = true;
      }
    }
    if (answered) continue;
    found.unanswered.push_back(
        script == nullptr
            ? without_door(model, site, name)
            : Unanswered{
                  name, script->where(),
                  fmt::format("{} answers before anything that could be added for the CA: "
                              "let it pass /.well-known/acme-challenge/ and use `everseal "
                              "issue` by webroot, or move it to rewrite_by_lua of a location",
                              script->name())});
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
