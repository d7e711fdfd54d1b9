#include "nginx/twin.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <utility>

#include "nginx/placement.h"

namespace everseal::nginx {
namespace {

bool has_wildcard(const Server& server, std::string_view name) {
  return std::ranges::any_of(server.names, [&](const ServerName& each) {
    return each.kind != ServerName::Kind::exact && each.name == name;
  });
}

using NameSet = std::set<std::pair<ServerName::Kind, std::string>>;

NameSet names_of(const Server& server) {
  NameSet names;
  for (const ServerName& each : server.names) names.emplace(each.kind, each.name);
  return names;
}

NameSet names_on(const Socket* socket) {
  NameSet names;
  if (socket == nullptr) return names;
  for (const Server* server : socket->servers) names.merge(names_of(*server));
  return names;
}

// The first server on all addresses of port 443 that visitors may mean at `host`. Those are not
// meant whose names stand on port 80 of all addresses but not on that of `host`, which hides it.
const Server* answers_at(const Model& model, const Socket& all_443, const std::string& host) {
  const std::string all_80 = all_443.host + ":80";
  const NameSet elsewhere = names_on(model.socket(all_80)),
                here = names_on(model.socket(host + ":80"));
  for (const Server* server : all_443.servers) {
    const bool is_elsewhere = std::ranges::all_of(names_of(*server), [&](const auto& name) {
      return elsewhere.contains(name) && !here.contains(name);
    });
    if (!is_elsewhere && !model.rejects_handshakes(*server)) return server;
  }
  return nullptr;
}

// Why port 443 cannot be opened beside a listen on port 80, or nothing.
std::string address_refusal(const Model& model, const Listen& listen) {
  std::string address = listen.host + ":443";
  if (as_word(address) != address) return "this address cannot be written again: add HTTPS by hand";
  for (const ForeignListen& foreign : model.foreign_listens()) {
    bool same = foreign.address == address || foreign.address == "*:443" ||
                (listen.host == "*" && foreign.address.ends_with(":443") &&
                 !foreign.address.starts_with('['));
    if (same) {
      return fmt::format(
          "{} already listens on {} outside of http{{}}, and nginx could not start "
          "with both: free that address, or add another port for HTTPS by hand",
          foreign.directive->where(), foreign.address);
    }
  }
  const Socket* socket = model.socket(address);
  if (socket != nullptr && !socket->is_tls()) {
    return fmt::format(
        "{} listens on {} without TLS, and one address speaks either with or "
        "without: add \"ssl\" there first",
        socket->servers.front()->where(), address);
  }
  std::string wildcard = listen.host.starts_with('[') ? "[::]:443" : "*:443";
  const Socket* around = model.socket(wildcard);
  if (socket != nullptr || wildcard == address || around == nullptr || !around->is_tls()) return {};
  const Server* const loser = answers_at(model, *around, listen.host);
  if (loser == nullptr) return {};
  return fmt::format(
      "a listen on {} would take that address from all servers on {} ({}): list "
      "{} in them, or listen on 443 here",
      address, wildcard, loser->where(), address);
}

// Why TLS on this server would answer names of others, or nothing: over TLS a wildcard takes the
// names from a server that has it already, and nobody can tell what a regular expression takes.
std::string wildcard_refusal(const Model& model, const Server& server, const Listen& listen,
                             const Site& site) {
  const Socket* socket = model.socket(listen.host + ":443");
  for (const ServerName& name : server.names) {
    if (name.kind == ServerName::Kind::regex) {
      return fmt::format(
          "\"{}\" stands for names that the certificate does not cover: give {} a "
          "server of its own",
          name.name, fmt::join(site.names, ", "));
    }
    if (socket == nullptr || name.kind == ServerName::Kind::exact) continue;
    for (const Server* owner : socket->servers) {
      if (owner == &server || !has_wildcard(*owner, name.name)) continue;
      return fmt::format("{} answers \"{}\" on {} already: give {} a server without that name",
                         owner->where(), written(name), socket->address,
                         fmt::join(site.names, ", "));
    }
  }
  return {};
}

// As written, with the other port.
std::string address_beside(const Listen& listen) {
  const std::string_view written = listen.directive ? listen.directive->argument(1) : "80";
  if (written == "80") return "443";
  if (written.ends_with(":80")) return std::string(written.substr(0, written.size() - 2)) + "443";
  return std::string(written) + ":443";
}

bool has_argument(const Listen& listen, std::string_view argument) {
  if (listen.directive == nullptr) return false;
  for (std::size_t i = 2; i <= listen.directive->argument_count(); ++i)
    if (listen.directive->argument(i) == argument) return true;
  return false;
}

}  // namespace

std::string twin_refusal(const Model& model, const Server& server, const Listen& listen,
                         const Site& site) {
  std::string why = address_refusal(model, listen);
  return why.empty() ? wildcard_refusal(model, server, listen, site) : why;
}

Twin twin_of(const Model& model, const Listen& listen, const EditOptions& options) {
  const Socket* same = model.socket(listen.host + ":443");
  const Socket* sibling = same;
  for (const Socket& socket : model.sockets())
    if (sibling == nullptr && socket.ssl && socket.port == "443") sibling = &socket;
  Twin twin;
  const bool by_listen = same != nullptr || options.nginx < Version{1, 25, 1};
  twin.http2 = sibling != nullptr && sibling->http2 && by_listen;
  twin.proxy_protocol = sibling != nullptr ? sibling->proxy_protocol : listen.proxy_protocol;
  if (twin.proxy_protocol && sibling == nullptr)
    twin.note = "port 443 expects the PROXY protocol too, as port 80 does";
  twin.arguments = fmt::format("{} ssl{}{}", address_beside(listen), twin.http2 ? " http2" : "",
                               twin.proxy_protocol ? " proxy_protocol" : "");
  // Without it the twin would not answer IPv4 as its model does.
  if (same == nullptr && has_argument(listen, "ipv6only=off")) twin.arguments += " ipv6only=off";
  return twin;
}

}  // namespace everseal::nginx
