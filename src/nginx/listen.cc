#include "nginx/listen.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>

#include "base/address.h"

namespace everseal::nginx {
namespace {

struct Ports {
  unsigned first = 0;
  unsigned last = 0;
};

std::optional<unsigned> read_port(std::string_view text) {
  unsigned port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (port == 0 || port > 65535) return std::nullopt;
  return port;
}

// "80" or "8000-8010".
std::optional<Ports> read_ports(std::string_view text) {
  const std::size_t dash = text.find('-');
  const auto first = read_port(text.substr(0, dash));
  const auto last = dash == text.npos ? first : read_port(text.substr(dash + 1));
  if (!first || !last || *first > *last) return std::nullopt;
  return Ports{*first, *last};
}

std::string canonical_host(std::string_view host) {
  std::string text(host);
  if (text == "*" || text == "0.0.0.0") return "*";
  if (text.starts_with('[') && text.ends_with(']')) {
    const auto inner = base::canonical_address(text.substr(1, text.size() - 2));
    return inner && inner->contains(':') ? fmt::format("[{}]", *inner) : text;
  }
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

// "80", "*:80", "10.0.0.1", "[::]:80", "localhost:80-82". A port that is none stays as written:
// nginx refuses it.
std::vector<Listen> at_each_port(std::string_view word, const Listen& like) {
  std::string host = "*";
  std::string_view port_text = word;
  if (!read_ports(word)) {
    const std::size_t bracket = word.starts_with('[') ? word.find(']') : 0;
    const std::size_t colon = word.find(':', bracket == word.npos ? 0 : bracket);
    host = canonical_host(word.substr(0, colon));
    port_text = colon == word.npos ? "80" : word.substr(colon + 1);
  }
  const auto ports = read_ports(port_text);
  std::vector<Listen> listens;
  for (unsigned port = ports ? ports->first : 0; port <= (ports ? ports->last : 0); ++port) {
    Listen& listen = listens.emplace_back(like);
    listen.host = host;
    listen.port = ports ? std::to_string(port) : std::string(port_text);
  }
  return listens;
}

}  // namespace

std::string Listen::address() const {
  if (host.starts_with("unix:")) return host;
  return host + ":" + port + (quic ? " udp" : "");
}

std::vector<Listen> read_listens(const Directive& directive) {
  Listen listen;
  listen.directive = &directive;
  for (std::size_t i = 2; i <= directive.argument_count(); ++i) {
    const std::string_view parameter = directive.argument(i);
    if (parameter == "ssl") listen.ssl = true;
    if (parameter == "http2" || parameter == "spdy") listen.http2 = true;
    if (parameter == "quic" || parameter == "udp") listen.quic = true;
    if (parameter == "proxy_protocol") listen.proxy_protocol = true;
    if (parameter == "default_server" || parameter == "default") listen.default_server = true;
  }
  const std::string_view word = directive.argument(1);
  if (!word.starts_with("unix:")) return at_each_port(word, listen);
  listen.host = word;
  return {listen};
}

}  // namespace everseal::nginx
