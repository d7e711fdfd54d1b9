#include "nginx/model.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace everseal::nginx {
namespace {

// A range of ports is that many listens.
constexpr std::size_t kMaxListens = 1'000'000;

Server read_server(const Directive& directive) {
  Server server;
  server.directive = &directive;
  for (const Directive& child : directive.children) {
    if (child.name() == "listen" && child.argument_count() > 0) {
      std::ranges::move(read_listens(child), std::back_inserter(server.listens));
    } else if (child.name() == "server_name") {
      for (std::size_t i = 1; i <= child.argument_count(); ++i) {
        server.names.push_back(read_server_name(child.argument(i), child));
      }
    }
  }
  if (server.listens.empty()) server.listens.push_back({.host = "*", .port = "80"});
  if (server.names.empty()) server.names.emplace_back();
  return server;
}

void collect_foreign(const Directive& block, std::vector<ForeignListen>& into) {
  for (const Directive* server : children(block, "server")) {
    for (const Directive* listen : children(*server, "listen")) {
      for (const Listen& each : read_listens(*listen)) into.push_back({each.address(), listen});
    }
  }
}

void add_server(Socket& socket, const Server& server) {
  if (!socket.servers.empty() && socket.servers.back() == &server) return;
  socket.servers.push_back(&server);
  using Kind = ServerName::Kind;
  for (const ServerName& name : server.names) {
    socket.names.add(name, server);
    if (name.kind == Kind::exact || name.kind == Kind::leading_dot) {
      socket.exact_names.try_emplace(name.name, &server);
    }
  }
}

// The sockets of all servers, in order of first mention.
std::vector<Socket> join_sockets(const std::vector<Server>& servers) {
  std::vector<Socket> sockets;
  std::unordered_map<std::string, std::size_t> index;
  for (const Server& server : servers) {
    for (const Listen& listen : server.listens) {
      std::string address = listen.address();
      auto [found, added] = index.try_emplace(address, sockets.size());
      if (added) sockets.push_back({.address = address, .host = listen.host, .port = listen.port});
      Socket& socket = sockets[found->second];
      socket.ssl |= listen.ssl;
      socket.http2 |= listen.http2;
      socket.quic |= listen.quic;
      socket.proxy_protocol |= listen.proxy_protocol;
      add_server(socket, server);
      if (listen.default_server && socket.default_server == nullptr) {
        socket.default_server = &server;
      }
    }
  }
  for (Socket& socket : sockets) {
    if (socket.default_server == nullptr) socket.default_server = socket.servers.front();
  }
  return sockets;
}

}  // namespace

std::vector<const Directive*> children(const Directive& block, std::string_view name) {
  std::vector<const Directive*> found;
  for (const Directive& child : block.children) {
    if (child.name() == name) found.push_back(&child);
  }
  return found;
}

Result<Model> Model::build(Config config) {
  Model model;
  model.config_ = std::move(config);
  for (const Directive& directive : model.config_.directives()) {
    if (directive.name() == "http") model.http_ = &directive;
    if (directive.name() == "stream" || directive.name() == "mail") {
      collect_foreign(directive, model.foreign_listens_);
    }
  }
  if (model.http_ == nullptr) {
    return base::invalid(model.config_.main_path() +
                         ": there is no http{} block in this configuration");
  }
  for (const Directive& directive : model.http_->children) {
    if (directive.argument_count() > 0) model.inherited_[directive.name()].push_back(&directive);
  }
  std::size_t listens = 0;
  for (const Directive* server : children(*model.http_, "server")) {
    model.servers_.push_back(read_server(*server));
    listens += model.servers_.back().listens.size();
    if (listens > kMaxListens) {
      return base::invalid(fmt::format("{}: more than {} listens", server->where(), kMaxListens));
    }
  }
  for (Server& server : model.servers_) {
    // `ssl on;` (removed in 1.25.1) makes every listen of a server a TLS one.
    auto ssl = model.effective(server, "ssl");
    if (ssl.empty() || ssl.back()->argument(1) != "on") continue;
    for (Listen& listen : server.listens) listen.ssl = true;
  }
  model.sockets_ = join_sockets(model.servers_);
  for (const Socket& socket : model.sockets_) model.by_address_.emplace(socket.address, &socket);
  return model;
}

Result<Model> Model::load(const FileReader& reader, const std::string& main_path) {
  return build(TRY(Config::load(reader, main_path)));
}

const Socket* Model::socket(std::string_view address) const {
  auto found = by_address_.find(address);
  return found == by_address_.end() ? nullptr : found->second;
}

std::vector<const Server*> Model::servers_for(const Socket& socket, std::string_view name) const {
  return socket.names.find(name, *socket.default_server);
}

const Server* Model::server_for(const Socket& socket, std::string_view name) const {
  auto servers = servers_for(socket, name);
  return servers.size() == 1 ? servers.front() : nullptr;
}

bool Model::has_tls(const Server& server) const {
  return std::ranges::any_of(
      server.listens, [this](const Listen& listen) { return socket(listen.address())->is_tls(); });
}

bool Model::rejects_handshakes(const Server& server) const {
  const auto reject = effective(server, "ssl_reject_handshake");
  return !reject.empty() && reject.back()->argument(1) == "on";
}

std::vector<const Directive*> Model::effective(const Server& server, std::string_view name) const {
  auto own = children(*server.directive, name);
  std::erase_if(own, [](const Directive* each) { return each->argument_count() == 0; });
  if (!own.empty()) return own;
  auto found = inherited_.find(name);
  return found == inherited_.end() ? own : found->second;
}

}  // namespace everseal::nginx
