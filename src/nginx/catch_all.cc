#include "nginx/catch_all.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/file_system.h"
#include "nginx/snippets.h"

namespace everseal::nginx {
namespace {

// What OpenSSL keeps of the first context when nginx exchanges it for that of the name asked for
// (ngx_http_ssl_servername): all but certificates, ciphers and the verification of clients.
constexpr std::array<std::string_view, 8> kOfTheDefault = {
    "ssl_protocols",       "ssl_ecdh_curve",         "ssl_early_data",      "ssl_session_cache",
    "ssl_session_tickets", "ssl_session_ticket_key", "ssl_session_timeout", "ssl_conf_command"};

bool is_ours(const Server& server, const EditOptions& options) {
  return server.directive->file->path == catch_all_path(options);
}

// The server that answers unknown names without us.
const Server* first_of(const Socket& socket, const EditOptions& options) {
  const auto found = std::ranges::find_if(
      socket.servers, [&](const Server* server) { return !is_ours(*server, options); });
  return found == socket.servers.end() ? nullptr : *found;
}

std::string listen_line(const std::string& address, const NewSocket& socket) {
  const bool everywhere = address.starts_with("*:");
  return fmt::format("    listen {} ssl{}{} default_server;\n",
                     everywhere ? std::string_view(address).substr(2) : address,
                     socket.http2 ? " http2" : "", socket.proxy_protocol ? " proxy_protocol" : "");
}

std::string own_settings(const Server& server) {
  std::string lines;
  for (const std::string_view name : kOfTheDefault)
    for (const Directive* directive : children(*server.directive, name))
      lines += fmt::format("    {}\n", directive->file->document.raw(directive->statement->span));
  return lines;
}

// A name of its own would only be in the way of a server that lists it, with a warning of nginx.
bool lists_the_empty_name(const Server& server) {
  return std::ranges::any_of(server.names,
                             [](const ServerName& name) { return name.name.empty(); });
}

std::string server_text(const Server& first, const std::string& listens) {
  return fmt::format("server {{\n{}{}{}    ssl_reject_handshake on;\n    return 421;\n}}\n",
                     listens, lists_the_empty_name(first) ? "    server_name _;\n" : "",
                     own_settings(first));
}

}  // namespace

std::string catch_all_path(const EditOptions& options) {
  return base::join_path(options.own_directory, "catch-all.conf");
}

bool may_catch_all(const Socket& socket, const EditOptions& options) {
  if (!socket.ssl || socket.port != "443" || socket.host.starts_with("unix:")) return false;
  return std::ranges::none_of(socket.servers, [&](const Server* server) {
    return !is_ours(*server, options) &&
           std::ranges::any_of(server->listens, [&](const Listen& listen) {
             return listen.default_server && listen.address() == socket.address;
           });
  });
}

std::string catch_all_snippet(const Model& model, const NewSockets& opened,
                              const EditOptions& options) {
  NewSockets sockets = opened;
  for (const Socket& socket : model.sockets())
    if (const Server* first = first_of(socket, options);
        first && may_catch_all(socket, options) && !model.rejects_handshakes(*first))
      sockets.emplace(socket.address, NewSocket{first, socket.http2, socket.proxy_protocol});
  std::map<const Server*, std::string> listens;
  for (const auto& [address, socket] : sockets)
    listens[socket.first] += listen_line(address, socket);
  std::string body;
  for (const auto& [first, lines] : listens) body += server_text(*first, lines);
  if (body.empty()) return body;
  return fmt::format(
      "# Written by everseal: refuses TLS to names that no server has, instead of showing them\n"
      "# the certificate of the first server.\n"
      "# To be rid of it, remove the line \"include {};\" first, then this file.\n"
      "{}{}",
      catch_all_path(options), stamp("", body), body);
}

}  // namespace everseal::nginx
