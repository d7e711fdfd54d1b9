// Names of servers, and which of several servers has a name.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "nginx/config.h"
#include "nginx/regex.h"

namespace everseal::nginx {

struct Server;

// One argument of server_name (ngx_http_core_server_name).
struct ServerName {
  enum class Kind {
    exact,
    leading_wildcard,   // *.example.com
    leading_dot,        // .example.com: the name and everything below it
    trailing_wildcard,  // www.example.*
    regex,              // ~…
  };
  Kind kind = Kind::exact;
  std::string name;                      // lower-case, as nginx compares it; a regex as written
  const Directive* directive = nullptr;  // null if the server has no server_name: the name is ""
  std::shared_ptr<const Regex> regex{};  // of kind regex; null if PCRE refuses it, as nginx would
};

// `word` as nginx reads it: lower-case; a regular expression ignores case if it holds an upper-case
// letter.
ServerName read_server_name(std::string_view word, const Directive& directive);

// A name as it is written, but in lower case: "*.example.com".
std::string written(const ServerName& name);

// The names of the servers on one socket (ngx_http_server_names). Names and servers must outlive it
// and keep their addresses.
class NameTable {
 public:
  // In nginx's order of servers: of equal names the first counts ("conflicting server name …
  // ignored").
  void add(const ServerName& name, const Server& server);

  // The servers that may have `name` (lower-case), best first (ngx_http_find_virtual_server): by
  // exact name, longest "*.x", longest "x.*", first regular expression, else `otherwise`. It is
  // one, unless expressions that PCRE refuses come before it.
  std::vector<const Server*> find(std::string_view name, const Server& otherwise) const;

 private:
  struct Leading {
    const Server* server;
    bool also_itself;  // ".x" also is the name x
  };
  const Server* find_hashed(std::string_view name) const;
  const Server* find_leading(std::string_view name) const;
  const Server* find_trailing(std::string_view name) const;

  std::unordered_map<std::string_view, const Server*> exact_;
  std::unordered_map<std::string_view, Leading> leading_;
  std::unordered_map<std::string_view, const Server*> trailing_;
  std::vector<std::pair<const ServerName*, const Server*>> regexes_;
  std::unordered_set<std::string_view> taken_;  // names x of "x" and ".x"
};

}  // namespace everseal::nginx
