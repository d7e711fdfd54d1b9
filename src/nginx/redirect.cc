#include "nginx/redirect.h"

#include <algorithm>
#include <array>
#include <optional>

namespace everseal::nginx {
namespace {

bool any_of(std::string_view text, std::initializer_list<std::string_view> choices) {
  return std::ranges::find(choices, text) != choices.end();
}

SendsToHttps classify(const Server& server, std::string_view url) {
  if (!url.starts_with("https://")) return SendsToHttps::no;
  url.remove_prefix(8);
  for (std::string_view self :
       {"$host", "${host}", "$http_host", "${http_host}", "$server_name", "${server_name}"}) {
    if (url.starts_with(self)) return SendsToHttps::to_itself;
  }
  std::string_view host = url.substr(0, url.find_first_of(":/$?"));
  bool own = std::ranges::any_of(server.names, [&](const ServerName& name) {
    return name.kind == ServerName::Kind::exact && name.name == host;
  });
  return own ? SendsToHttps::to_itself : SendsToHttps::elsewhere;
}

// The URL of `return URL;`, `return 301 URL;` or a rewrite of every path; nothing for others.
std::optional<std::string_view> target(const Directive& directive) {
  if (directive.name() == "return") {
    if (directive.argument_count() == 1) return directive.argument(1);
    if (any_of(directive.argument(1), {"301", "302", "303", "307", "308"})) {
      return directive.argument(2);
    }
    return std::string_view();
  }
  if (directive.name() == "rewrite" &&
      any_of(directive.argument(1), {"^", ".*", "^.*", "(.*)", "^(.*)", "^(.*)$", "^/(.*)",
                                     "^/(.*)$", "^/", "^.*$", "/(.*)$", "^(.+)$"})) {
    return directive.argument(2);
  }
  return std::nullopt;
}

// The condition of an if as one text without blanks and parentheses.
std::string condition(const Directive& directive) {
  std::string text;
  for (std::size_t i = 1; i <= directive.argument_count(); ++i) text += directive.argument(i);
  std::erase_if(text, [](char c) { return c == '(' || c == ')' || c == ' '; });
  return text;
}

bool means_plain(std::string_view condition) {
  return any_of(condition, {"$scheme=http", "$scheme!=https", "$https!=on", "$https=", "$https=off",
                            "$server_port=80", "$server_port!=443", "$scheme~^http$"});
}

// What the directives of a server, an if or a location decide, in order.
SendsToHttps walk(const Server& server, const std::vector<Directive>& directives) {
  for (const Directive& directive : directives) {
    if (auto url = target(directive)) return classify(server, *url);
    if (directive.name() != "if") continue;
    SendsToHttps inside = walk(server, directive.children);
    if (inside == SendsToHttps::no) continue;
    std::string when = condition(directive);
    if (means_plain(when)) return SendsToHttps::when_plain;
    if (when.starts_with("$host=")) return inside;
  }
  return SendsToHttps::no;
}

}  // namespace

SendsToHttps sends_to_https(const Server& server) {
  SendsToHttps rewrite = walk(server, server.directive->children);
  if (rewrite != SendsToHttps::no) return rewrite;
  for (const Directive* location : children(*server.directive, "location")) {
    if (location->argument_count() == 1 && location->argument(1) == "/") {
      return walk(server, location->children);
    }
  }
  return SendsToHttps::no;
}

const Directive* redirect_before_content(const Server& server) {
  const Directive* redirect = nullptr;
  bool content = false;
  for (const Directive& child : server.directive->children) {
    const auto url = target(child);
    if (redirect == nullptr && child.name() == "if" &&
        walk(server, child.children) != SendsToHttps::no) {
      return nullptr;
    }
    if (redirect == nullptr && url) {
      if (classify(server, *url) != SendsToHttps::to_itself) return nullptr;
      redirect = &child;
    }
    content |= !any_of(child.name(), {"listen", "server_name", "return", "rewrite", "if", "set",
                                      "break", "access_log", "error_log", "server_tokens",
                                      "add_header", "http2", "keepalive_timeout"});
  }
  return content ? redirect : nullptr;
}

}  // namespace everseal::nginx
