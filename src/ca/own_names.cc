#include "ca/own_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/address.h"
#include "base/ascii.h"
#include "base/encoding.h"

namespace everseal::ca {
namespace {

bool is_name(std::string_view host) {
  return !host.empty() && std::ranges::all_of(host, [](char c) {
    return base::is_letter_or_digit(c) || c == '-' || c == '.' || c == '_';
  });
}

bool is_host(std::string_view host) {
  return host.contains(':') ? base::canonical_address(host).has_value() : is_name(host);
}

// Addresses are written in one form.
std::string authority(std::string_view host, std::uint16_t port) {
  const std::string lower = base::lower_case(host);
  const std::string one = base::canonical_address(lower).value_or(lower);
  return one.contains(':') ? fmt::format("[{}]:{}", one, port) : fmt::format("{}:{}", one, port);
}

}  // namespace

Result<OwnNames::Name> OwnNames::parse(std::string_view text) {
  Name name;
  std::string_view host = text;
  const std::size_t bracket = text.find(']'), colon = text.rfind(':');
  const bool is_bare_address = base::canonical_address(text).has_value();
  const bool has_port =
      !is_bare_address && colon != text.npos && (bracket == text.npos || colon > bracket);
  if (has_port) {
    const std::string_view port = text.substr(colon + 1);
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), name.port);
    if (error != std::errc() || end != port.data() + port.size() || name.port == 0) host = {};
    host = host.substr(0, std::min(colon, host.size()));
  }
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  name.host = base::lower_case(host);
  if (is_host(name.host)) return name;
  return base::invalid(fmt::format("'{}' is no host such as ca.example or ca.example:8443",
                                   base::printable(text, 80)));
}

void OwnNames::add(std::string_view host, std::uint16_t port) {
  authorities_.insert(authority(host, port));
}

bool OwnNames::include(std::string_view origin) const {
  const bool secure = origin.starts_with("https://");
  if (!secure && !origin.starts_with("http://")) return false;
  const auto name = parse(origin.substr(origin.find("//") + 2));
  if (!name) return false;
  const std::uint16_t usual = secure ? 443 : 80;
  return authorities_.contains(authority(name->host, name->port == 0 ? usual : name->port));
}

}  // namespace everseal::ca
