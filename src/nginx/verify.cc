#include "nginx/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "nginx/redirect.h"

namespace everseal::nginx {
namespace {

// What a server is known by before and after an edit: its file and its names as written. The twin
// that a server is split into has the same.
std::string identity(const Server& server) {
  std::string text = server.directive->file->real_path;
  for (const ServerName& name : server.names) text += " " + name.name;
  return text;
}

std::vector<std::string> order(const Socket& socket) {
  std::vector<std::string> servers;
  for (const Server* server : socket.servers) servers.push_back(identity(*server));
  return servers;
}

std::unexpected<Error> changed(const Socket& socket, std::string_view what) {
  return base::internal(
      fmt::format("the edit would change {} of {}; nothing was written", what, socket.address));
}

bool is_chosen(const Socket& socket) {
  return std::ranges::any_of(socket.default_server->listens, [&](const Listen& listen) {
    return listen.default_server && listen.address() == socket.address;
  });
}

// Who answers unknown names by being the first may be relieved by one who refuses them.
Result<> same_default(const Socket& before, const Model& model, const Socket& after) {
  if (identity(*before.default_server) == identity(*after.default_server)) return {};
  if (!is_chosen(before) && model.rejects_handshakes(*after.default_server)) return {};
  return changed(before, "the default server");
}

Result<> same_socket(const Socket& before, const Socket* after) {
  if (after == nullptr) return changed(before, "the existence");
  if (before.ssl != after->ssl || before.quic != after->quic || before.http2 != after->http2 ||
      before.proxy_protocol != after->proxy_protocol) {
    return changed(before, "the protocols");
  }
  return {};
}

// The servers of before must be in after, in their order; a TLS socket may have gained some.
Result<> same_order(const Socket& before, const Socket& after) {
  auto was = order(before);
  auto is = order(after);
  if (!before.is_tls() && was != is) return changed(before, "the servers");
  auto at = is.begin();
  for (const std::string& server : was) {
    at = std::find(at, is.end(), server);
    if (at == is.end()) return changed(before, "the order of servers");
    ++at;
  }
  return {};
}

bool has_name(const Server& server, const std::string& name) {
  return std::ranges::any_of(server.names, [&](const ServerName& candidate) {
    return (candidate.kind == ServerName::Kind::exact ||
            candidate.kind == ServerName::Kind::leading_dot) &&
           candidate.name == name;
  });
}

std::string connect_address(const Socket& socket) {
  if (socket.host == "*") return "127.0.0.1";
  if (socket.host == "[::]") return "::1";
  if (socket.host.starts_with('[')) return socket.host.substr(1, socket.host.size() - 2);
  return socket.host;
}

}  // namespace

Result<> verify_edit(const Model& before, const Model& after, const std::vector<Site>& sites) {
  std::set<std::string> ours;
  for (const Site& site : sites) ours.insert(site.names.begin(), site.names.end());
  for (const Socket& socket : before.sockets()) {
    const Socket* now = after.socket(socket.address);
    TRY(same_socket(socket, now));
    TRY(same_default(socket, after, *now));
    TRY(same_order(socket, *now));
    for (const auto& [name, server] : socket.exact_names) {
      const Server* answers = after.server_for(*now, name);
      if (answers == nullptr || identity(*answers) != identity(*server)) {
        return changed(socket, fmt::format("the answer to \"{}\"", name));
      }
    }
    for (const std::string& name : ours) {
      const Server* was = before.server_for(socket, name);
      const Server* is = after.server_for(*now, name);
      // A site that comes to a socket takes its names from the default server there, as does a
      // default that refuses unknown names.
      const bool joined = is != nullptr && has_name(*is, name);
      const bool refused = is == now->default_server && was == socket.default_server;
      if (!joined && !refused && was != nullptr &&
          (is == nullptr || identity(*was) != identity(*is))) {
        return changed(socket, fmt::format("the answer to \"{}\"", name));
      }
    }
  }
  for (const Socket& socket : after.sockets()) {
    if (before.socket(socket.address) == nullptr && !socket.is_tls()) {
      return changed(socket, "the existence");
    }
  }
  return {};
}

std::vector<Endpoint> endpoints(const Model& model, const Site& site) {
  std::vector<Endpoint> found;
  for (const std::string& name : site.names) {
    for (const Socket& socket : model.sockets()) {
      if (socket.host.starts_with("unix:") || socket.quic) continue;
      const Server* server = model.server_for(socket, name);
      if (server == nullptr || !has_name(*server, name)) continue;
      Endpoint endpoint{.name = name, .address = connect_address(socket)};
      std::from_chars(socket.port.data(), socket.port.data() + socket.port.size(), endpoint.port);
      endpoint.tls = socket.ssl;
      endpoint.proxy_protocol = socket.proxy_protocol;
      endpoint.redirects = !socket.ssl && sends_to_https(*server) != SendsToHttps::no;
      found.push_back(std::move(endpoint));
    }
  }
  return found;
}

}  // namespace everseal::nginx
