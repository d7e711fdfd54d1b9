#include "nginx/server_name.h"

#include <algorithm>

namespace everseal::nginx {
namespace {

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

ServerName read_regex(std::string_view word, const Directive& directive) {
  const bool has_upper_case =
      std::ranges::any_of(word, [](char c) { return c >= 'A' && c <= 'Z'; });
  auto regex = Regex::compile(word.substr(1), has_upper_case ? Case::insensitive : Case::sensitive);
  ServerName name{ServerName::Kind::regex, std::string(word), &directive};
  if (regex) name.regex = std::make_shared<const Regex>(*std::move(regex));
  return name;
}

}  // namespace

ServerName read_server_name(std::string_view word, const Directive& directive) {
  using Kind = ServerName::Kind;
  if (word.starts_with('~')) return read_regex(word, directive);
  std::string name = lower(word);
  if (name.starts_with("*.")) return {Kind::leading_wildcard, name.substr(2), &directive};
  if (name.starts_with('.')) return {Kind::leading_dot, name.substr(1), &directive};
  if (name.ends_with(".*")) {
    return {Kind::trailing_wildcard, name.substr(0, name.size() - 2), &directive};
  }
  return {Kind::exact, std::move(name), &directive};
}

// ngx_hash_add_key, with what it does to ".x": if x is taken, nothing of ".x" counts; if "*.x" is,
// nothing of it counts either, but x stays taken and is then nobody's.
std::string written(const ServerName& name) {
  switch (name.kind) {
    case ServerName::Kind::leading_wildcard:
      return "*." + name.name;
    case ServerName::Kind::leading_dot:
      return "." + name.name;
    case ServerName::Kind::trailing_wildcard:
      return name.name + ".*";
    default:
      return name.name;
  }
}

void NameTable::add(const ServerName& name, const Server& server) {
  using Kind = ServerName::Kind;
  switch (name.kind) {
    case Kind::exact:
      if (taken_.insert(name.name).second) exact_.emplace(name.name, &server);
      break;
    case Kind::leading_dot:
      if (taken_.insert(name.name).second) leading_.try_emplace(name.name, &server, true);
      break;
    case Kind::leading_wildcard:
      leading_.try_emplace(name.name, &server, false);
      break;
    case Kind::trailing_wildcard:
      trailing_.try_emplace(name.name, &server);
      break;
    case Kind::regex:
      regexes_.emplace_back(&name, &server);
  }
}

const Server* NameTable::find_leading(std::string_view name) const {
  if (leading_.empty()) return nullptr;
  const auto itself = leading_.find(name);
  if (itself != leading_.end() && itself->second.also_itself) return itself->second.server;
  for (std::size_t dot = name.find('.', 1); dot < name.size(); dot = name.find('.', dot + 1)) {
    const auto found = leading_.find(name.substr(dot + 1));
    if (found != leading_.end()) return found->second.server;
  }
  return nullptr;
}

const Server* NameTable::find_trailing(std::string_view name) const {
  while (!trailing_.empty() && name.contains('.')) {
    name = name.substr(0, name.rfind('.'));
    const auto found = trailing_.find(name);
    if (found != trailing_.end()) return found->second;
  }
  return nullptr;
}

const Server* NameTable::find_hashed(std::string_view name) const {
  if (const auto found = exact_.find(name); found != exact_.end()) return found->second;
  const Server* leading = find_leading(name);
  return leading != nullptr ? leading : find_trailing(name);
}

std::vector<const Server*> NameTable::find(std::string_view name, const Server& otherwise) const {
  if (const Server* server = find_hashed(name)) return {server};
  std::vector<const Server*> servers;
  const auto add = [&](const Server* server) {
    if (std::ranges::find(servers, server) == servers.end()) servers.push_back(server);
  };
  for (const auto& [server_name, server] : regexes_) {
    const Regex* regex = server_name->regex.get();
    if (regex != nullptr && !regex->matches(name)) continue;
    add(server);
    if (regex != nullptr) return servers;
  }
  add(&otherwise);
  return servers;
}

}  // namespace everseal::nginx
