#include "app/nginx_sites.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/encoding.h"
#include "nginx/request.h"
#include "nginx/site.h"

namespace everseal::app {
namespace {

using Row = std::vector<std::string>;

// What a CA asks for (RFC 8555 §8.3).
constexpr const char* kChallengePath = "/.well-known/acme-challenge/token";

// Rows in columns; the first row is the heading.
std::string table(const std::vector<Row>& rows) {
  std::vector<std::size_t> widths(rows.front().size());
  for (const Row& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  std::string text;
  for (const Row& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) line += fmt::format("{:<{}}  ", row[i], widths[i]);
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

Json place(const nginx::Directive* directive) {
  if (directive == nullptr) return nullptr;
  return {{"file", directive->file->path}, {"line", directive->statement->line}};
}

// A name that a person recognizes a server by.
std::string title(const nginx::Server& server) {
  const std::string name = base::printable(written(server.names.front()));
  return fmt::format("{} ({})", name.empty() ? "\"\"" : name, server.where());
}

std::string flags(const nginx::Socket& socket) {
  std::vector<std::string> words;
  if (socket.ssl) words.emplace_back("ssl");
  if (socket.quic) words.emplace_back("quic");
  if (socket.http2) words.emplace_back("http2");
  if (socket.proxy_protocol) words.emplace_back("proxy_protocol");
  return fmt::format("{}", fmt::join(words, " "));
}

// The sockets of servers, each once, in order; those with TLS are marked.
std::vector<std::string> addresses(const nginx::Model& model,
                                   const std::vector<const nginx::Server*>& servers) {
  std::vector<std::string> found;
  for (const nginx::Server* server : servers)
    for (const nginx::Listen& listen : server->listens) {
      const nginx::Socket& socket = *model.socket(listen.address());
      std::string address = socket.address + (socket.is_tls() ? " (TLS)" : "");
      if (std::ranges::find(found, address) == found.end()) found.push_back(std::move(address));
    }
  return found;
}

Json to_json(const nginx::CertificatePair& pair) {
  return {{"certificate", pair.certificate},
          {"key", pair.key.empty() ? Json(nullptr) : Json(pair.key)},
          {"certificate_at", place(pair.certificate_directive)},
          {"key_at", place(pair.key_directive)}};
}

Json to_json(const std::vector<nginx::CertificatePair>& pairs) {
  Json json = Json::array();
  for (const nginx::CertificatePair& pair : pairs) json.push_back(to_json(pair));
  return json;
}

Json to_json(const nginx::Model& model, const nginx::Server& server) {
  Json names = Json::array(), sockets = Json::array();
  for (const nginx::ServerName& name : server.names) names.push_back(written(name));
  for (const nginx::Listen& listen : server.listens) sockets.push_back(listen.address());
  Json json = place(server.directive);
  json["names"] = std::move(names);
  json["sockets"] = std::move(sockets);
  json["tls"] = model.has_tls(server);
  json["certificates"] = to_json(certificate_pairs(model, server));
  return json;
}

Json to_json(const nginx::Socket& socket) {
  Json servers = Json::array();
  for (const nginx::Server* server : socket.servers) servers.push_back(place(server->directive));
  return {{"address", socket.address},
          {"tls", socket.is_tls()},
          {"ssl", socket.ssl},
          {"quic", socket.quic},
          {"http2", socket.http2},
          {"proxy_protocol", socket.proxy_protocol},
          {"default_server", place(socket.default_server->directive)},
          {"servers", std::move(servers)}};
}

Json to_json(const nginx::Site& site) {
  Json servers = Json::array();
  for (const nginx::Server* server : site.servers) servers.push_back(place(server->directive));
  return {{"name", site.name},
          {"names", site.names},
          {"tls", site.has_tls},
          {"certificates", to_json(site.pairs)},
          {"servers", std::move(servers)}};
}

Json to_json(const nginx::Obstacle& obstacle) {
  Json json = {{"kind", to_string(obstacle.kind)}, {"directive", obstacle.directive->name()}};
  json.update(place(obstacle.directive));
  return json;
}

Row describe(const nginx::Model& model, const nginx::Site& site) {
  std::vector<std::string> certificates;
  for (const nginx::CertificatePair& pair : site.pairs)
    certificates.push_back(base::printable(pair.certificate));
  return {fmt::format("{}", fmt::join(site.names, " ")),
          fmt::format("{}", fmt::join(addresses(model, site.servers), ", ")),
          certificates.empty() ? "-" : fmt::format("{}", fmt::join(certificates, " ")), site.where};
}

}  // namespace

Output show_sites(const nginx::Model& model) {
  const nginx::Sites sites = find_sites(model);
  Output output;
  Json& json = output.document;
  json = {{"configuration", model.config().main_path()}};
  for (const char* key : {"files", "sites", "sockets", "servers", "skipped"})
    json[key] = Json::array();
  for (const auto& file : model.config().files()) json["files"].push_back(file->path);
  for (const nginx::Server& server : model.servers())
    json["servers"].push_back(to_json(model, server));

  std::vector<Row> site_rows = {{"SITE", "SOCKETS", "CERTIFICATE", "WHERE"}};
  for (const nginx::Site& site : sites.sites) {
    json["sites"].push_back(to_json(site));
    site_rows.push_back(describe(model, site));
  }
  std::vector<Row> socket_rows = {{"SOCKET", "FLAGS", "SERVERS", "DEFAULT SERVER"}};
  for (const nginx::Socket& socket : model.sockets()) {
    json["sockets"].push_back(to_json(socket));
    socket_rows.push_back({socket.address, flags(socket), std::to_string(socket.servers.size()),
                           title(*socket.default_server)});
  }
  output.text = table(site_rows) + "\n" + table(socket_rows);
  if (!sites.skipped.empty()) output.text += "\nNames that are no site's:\n";
  for (const nginx::SkippedName& name : sites.skipped) {
    json["skipped"].push_back(
        {{"name", name.name}, {"reason", name.reason}, {"file", name.file}, {"line", name.line}});
    output.text += fmt::format("  {}:{}: \"{}\": {}\n", name.file, name.line,
                               base::printable(name.name), name.reason);
  }
  return output;
}

Output show_answers(const nginx::Model& model, const std::vector<std::string>& names) {
  Output output;
  Json answers = Json::array();
  std::vector<Row> rows = {{"NAME", "SOCKET", "SERVER", "A CHALLENGE RUNS INTO"}};
  for (const std::string& name : names)
    for (const nginx::Socket& socket : model.sockets()) {
      const auto servers = model.servers_for(socket, name);
      std::vector<std::string> titles, met;
      Json places = Json::array(), challenge = Json::array();
      for (const nginx::Server* server : servers) {
        places.push_back(place(server->directive));
        const bool is_default = server == socket.default_server;
        titles.push_back(title(*server) + (is_default ? ", the default server" : ""));
        if (socket.is_tls()) continue;
        for (const nginx::Obstacle& obstacle : obstacles(model, *server, kChallengePath)) {
          challenge.push_back(to_json(obstacle));
          met.push_back(fmt::format("{} ({})", base::printable(obstacle.directive->name()),
                                    obstacle.directive->where()));
        }
      }
      rows.push_back({base::printable(name), socket.address,
                      fmt::format("{}", fmt::join(titles, " or ")),
                      fmt::format("{}", fmt::join(met, ", "))});
      answers.push_back({{"name", name},
                         {"socket", socket.address},
                         {"servers", std::move(places)},
                         {"challenge", std::move(challenge)}});
    }
  output.document = {{"answers", std::move(answers)}};
  output.text = table(rows);
  return output;
}

}  // namespace everseal::app
