// The way of a request through a server: which location it gets, and what it meets before that.
#pragma once

#include <string_view>
#include <vector>

#include "nginx/model.h"

namespace everseal::nginx {

// The location of `server` for `path` (decoded, starting with "/"), nested ones included, or null
// if there is none (ngx_http_core_find_location): exact, longest prefix, first regular expression
// unless the prefix says ^~.
const Directive* location_for(const Server& server, std::string_view path);

// Something that decides about a request before, or instead of, a file or program of its location.
struct Obstacle {
  enum class Kind {
    script,     // Lua in the rewrite or access phase: what it does is not known
    condition,  // an `if` that may return or rewrite
    answer,     // return, or a rewrite that redirects
    rewrite,    // to another path
    access,     // auth_basic, auth_request, deny
  };
  Kind kind;
  const Directive* directive;
};

std::string_view to_string(Obstacle::Kind kind);

// What a request for `path` runs into on `server`, in the order of nginx's phases (nginx.org,
// "Development guide", HTTP phases): the server's rewrite rules, the location's, its access rules,
// own or inherited. It ends with what surely decides.
std::vector<Obstacle> obstacles(const Model& model, const Server& server, std::string_view path);

}  // namespace everseal::nginx
