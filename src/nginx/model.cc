#include "nginx/model.h"

#include <algorithm>
#include <map>

namespace everseal::nginx {
namespace {

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789-") == text.npos;
}

ServerName read_name(std::string_view word, const Directive& directive) {
  using Kind = ServerName::Kind;
  if (word.starts_with('~')) return {Kind::regex, std::string(word), &directive};
  std::string name = lower(word);
  if (name.starts_with("*.")) return {Kind::leading_wildcard, name.substr(2), &directive};
  if (name.starts_with('.')) return {Kind::leading_dot, name.substr(1), &directive};
  if (name.ends_with(".*")) {
    return {Kind::trailing_wildcard, name.substr(0, name.size() - 2), &directive};
  }
  return {Kind::exact, std::move(name), &directive};
}

// "80", "*:80", "10.0.0.1", "[::]:80", "localhost:80", "unix:/path" (ngx_parse_url).
void read_address(std::string_view word, std::string_view default_port, Listen& listen) {
  listen.port = default_port;
  if (word.starts_with("unix:")) {
    listen.host = word;
    listen.port.clear();
    return;
  }
  if (is_number(word)) {
    listen.host = "*";
    listen.port = word;
    return;
  }
  std::size_t bracket = word.starts_with('[') ? word.find(']') : 0;
  std::size_t colon = word.find(':', bracket == word.npos ? 0 : bracket);
  listen.host = lower(word.substr(0, colon));
  if (colon != word.npos) listen.port = word.substr(colon + 1);
  if (listen.host == "0.0.0.0") listen.host = "*";
  if (listen.host == "[::0]" || listen.host == "[0:0:0:0:0:0:0:0]") listen.host = "[::]";
}

Listen read_listen(const Directive& directive) {
  Listen listen;
  listen.directive = &directive;
  read_address(directive.argument(1), "80", listen);
  for (std::size_t i = 2; i <= directive.argument_count(); ++i) {
    std::string_view parameter = directive.argument(i);
    if (parameter == "ssl") listen.ssl = true;
    if (parameter == "http2" || parameter == "spdy") listen.http2 = true;
    if (parameter == "quic") listen.quic = true;
    if (parameter == "proxy_protocol") listen.proxy_protocol = true;
    if (parameter == "default_server" || parameter == "default") listen.default_server = true;
  }
  return listen;
}

Server read_server(const Directive& directive) {
  Server server;
  server.directive = &directive;
  for (const Directive& child : directive.children) {
    if (child.name() == "listen" && child.argument_count() > 0) {
      server.listens.push_back(read_listen(child));
    } else if (child.name() == "server_name") {
      for (std::size_t i = 1; i <= child.argument_count(); ++i) {
        server.names.push_back(read_name(child.argument(i), child));
      }
    }
  }
  if (server.listens.empty()) server.listens.push_back({.host = "*", .port = "80"});
  if (server.names.empty()) server.names.emplace_back();
  // `ssl on;` (removed in 1.25.1) makes every listen of the server a TLS one.
  auto ssl = children(directive, "ssl");
  if (!ssl.empty() && ssl.back()->argument(1) == "on") {
    for (Listen& listen : server.listens) listen.ssl = true;
  }
  return server;
}

void collect_foreign(const Directive& block, std::vector<ForeignListen>& into) {
  for (const Directive* server : children(block, "server")) {
    for (const Directive* listen : children(*server, "listen")) {
      Listen read = read_listen(*listen);
      bool datagrams = false;
      for (std::size_t i = 2; i <= listen->argument_count(); ++i) {
        datagrams |= listen->argument(i) == "udp";
      }
      read.quic = datagrams;
      into.push_back({read.address(), listen});
    }
  }
}

void add_server(Socket& socket, const Server& server) {
  using Kind = ServerName::Kind;
  if (!socket.servers.empty() && socket.servers.back() == &server) return;
  socket.servers.push_back(&server);
  for (const ServerName& name : server.names) {
    if (name.kind == Kind::exact || name.kind == Kind::leading_dot) {
      socket.exact_names.try_emplace(name.name, &server);
    }
    if (name.kind == Kind::regex) {
      if (socket.regex_servers.empty() || socket.regex_servers.back() != &server) {
        socket.regex_servers.push_back(&server);
      }
    } else if (name.kind != Kind::exact) {
      socket.wildcard_names.emplace_back(&name, &server);
    }
  }
}

// The sockets of all servers, in order of first mention.
std::vector<Socket> join_sockets(const std::vector<Server>& servers) {
  std::vector<Socket> sockets;
  std::map<std::string, std::size_t> index;
  std::map<std::string, const Server*> defaults;
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
      if (listen.default_server) defaults.emplace(address, &server);
    }
  }
  for (Socket& socket : sockets) {
    auto found = defaults.find(socket.address);
    socket.default_server = found == defaults.end() ? socket.servers.front() : found->second;
  }
  return sockets;
}

// How well a wildcard fits: higher wins; 0 does not fit.
std::size_t fit(const ServerName& wildcard, std::string_view name) {
  constexpr std::size_t kLeading = 1 << 10;  // any "*.x" wins over any "x.*"
  std::string_view pattern = wildcard.name;
  if (name.size() <= pattern.size()) return 0;
  if (wildcard.kind == ServerName::Kind::trailing_wildcard) {
    return name.starts_with(pattern) && name[pattern.size()] == '.' ? pattern.size() : 0;
  }
  bool below = name.ends_with(pattern) && name[name.size() - pattern.size() - 1] == '.';
  return below ? kLeading + pattern.size() : 0;
}

}  // namespace

std::string Listen::address() const {
  if (host.starts_with("unix:")) return host;
  return host + ":" + port + (quic ? " udp" : "");
}

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
  for (const Directive* server : children(*model.http_, "server")) {
    model.servers_.push_back(read_server(*server));
  }
  model.sockets_ = join_sockets(model.servers_);
  return model;
}

Result<Model> Model::load(const FileReader& reader, const std::string& main_path) {
  return build(TRY(Config::load(reader, main_path)));
}

const Socket* Model::socket(std::string_view address) const {
  auto found = std::ranges::find(sockets_, address, &Socket::address);
  return found == sockets_.end() ? nullptr : &*found;
}

std::vector<const Server*> Model::servers_for(const Socket& socket, std::string_view name) const {
  auto exact = socket.exact_names.find(std::string(name));
  if (exact != socket.exact_names.end()) return {exact->second};
  const Server* best = nullptr;
  std::size_t best_fit = 0;
  for (const auto& [wildcard, server] : socket.wildcard_names) {
    if (std::size_t fits = fit(*wildcard, name); fits > best_fit) {
      best = server;
      best_fit = fits;
    }
  }
  if (best != nullptr) return {best};
  std::vector<const Server*> maybe = socket.regex_servers;
  if (std::ranges::find(maybe, socket.default_server) == maybe.end()) {
    maybe.push_back(socket.default_server);
  }
  return maybe;
}

const Server* Model::server_for(const Socket& socket, std::string_view name) const {
  auto servers = servers_for(socket, name);
  return servers.size() == 1 ? servers.front() : nullptr;
}

bool Model::has_tls(const Server& server) const {
  return std::ranges::any_of(
      server.listens, [this](const Listen& listen) { return socket(listen.address())->is_tls(); });
}

std::vector<const Directive*> Model::effective(const Server& server, std::string_view name) const {
  auto stated_in = [&](const Directive& block) {
    auto found = children(block, name);
    std::erase_if(found, [](const Directive* each) { return each->argument_count() == 0; });
    return found;
  };
  auto own = stated_in(*server.directive);
  return own.empty() ? stated_in(*http_) : own;
}

}  // namespace everseal::nginx
