#include "nginx/request.h"

#include <algorithm>
#include <array>

#include "nginx/regex.h"

namespace everseal::nginx {
namespace {

// A location's modifier, which may be glued to its pattern, and the pattern.
struct Pattern {
  std::string_view modifier;  // "=", "^~", "~*", "~", "@" or none
  std::string_view text;
};

Pattern pattern_of(const Directive& location) {
  if (location.argument_count() > 1) return {location.argument(1), location.argument(2)};
  const std::string_view word = location.argument(1);
  for (std::string_view modifier : {"=", "^~", "~*", "~", "@"}) {
    if (word.starts_with(modifier)) return {modifier, word.substr(modifier.size())};
  }
  return {{}, word};
}

// An expression that PCRE refuses is no obstacle: nginx refuses it too.
bool finds(std::string_view pattern, Case how, std::string_view subject) {
  const auto regex = Regex::compile(pattern, how);
  return regex && regex->matches(subject);
}

bool finds(const Pattern& pattern, std::string_view path) {
  if (!pattern.modifier.starts_with('~')) return false;
  return finds(pattern.text, pattern.modifier == "~*" ? Case::insensitive : Case::sensitive, path);
}

// Leaves in `found` the best location in `block`; true if that ends the search.
bool find_location(const Directive& block, std::string_view path, const Directive*& found) {
  const auto locations = children(block, "location");
  const Directive* longest = nullptr;
  Pattern prefix;
  for (const Directive* location : locations) {
    const Pattern pattern = pattern_of(*location);
    if (pattern.modifier == "=" && pattern.text == path) {
      found = location;
      return true;
    }
    const bool is_prefix = pattern.modifier.empty() || pattern.modifier == "^~";
    if (!is_prefix || !path.starts_with(pattern.text)) continue;
    if (longest != nullptr && pattern.text.size() <= prefix.text.size()) continue;
    longest = location;
    prefix = pattern;
  }
  if (longest != nullptr) {
    found = longest;
    if (find_location(*longest, path, found)) return true;
  }
  if (prefix.modifier == "^~") return false;
  for (const Directive* location : locations) {
    if (!finds(pattern_of(*location), path)) continue;
    found = location;
    find_location(*location, path, found);
    return true;
  }
  return false;
}

bool is_script(std::string_view name, std::string_view phase) {
  return name.starts_with(phase) && (name.ends_with("_by_lua") || name.contains("_by_lua_"));
}

// Whether a request may go another way in the block of an `if`.
bool may_leave(const Directive& condition) {
  return std::ranges::any_of(condition.children, [](const Directive& child) {
    return child.name() == "return" || child.name() == "rewrite";
  });
}

Obstacle::Kind kind_of_rewrite(const Directive& rewrite) {
  const std::string_view flag = rewrite.argument(3), to = rewrite.argument(2);
  const bool redirects = flag == "redirect" || flag == "permanent" || to.starts_with("http://") ||
                         to.starts_with("https://") || to.starts_with("$scheme");
  return redirects ? Obstacle::Kind::answer : Obstacle::Kind::rewrite;
}

class Walk {
 public:
  Walk(const Model& model, const Server& server, std::string_view path)
      : model_(model), server_(server), path_(path) {}

  std::vector<Obstacle> run() {
    meet_scripts(*server_.directive, "server_rewrite");
    if (!rewrite(*server_.directive)) {
      const Directive* location = location_for(server_, path_);
      const bool answered = location != nullptr && rewrite(*location);
      if (!answered) meet_guards(location);
    }
    return std::move(obstacles_);
  }

 private:
  void meet(Obstacle::Kind kind, const Directive& directive) {
    obstacles_.push_back({kind, &directive});
  }

  void meet_scripts(const Directive& block, std::string_view phase) {
    for (const Directive& child : block.children) {
      if (is_script(child.name(), phase)) meet(Obstacle::Kind::script, child);
    }
  }

  // ngx_http_rewrite_module's directives in their order; true if one of them surely decides.
  bool rewrite(const Directive& block) {
    for (const Directive& child : block.children) {
      if (child.name() == "break") return false;
      if (child.name() == "return") {
        meet(Obstacle::Kind::answer, child);
        return true;
      }
      if (child.name() == "if" && may_leave(child)) meet(Obstacle::Kind::condition, child);
      if (child.name() != "rewrite" || !finds(child.argument(1), Case::sensitive, path_)) continue;
      if (child.argument(2) == "$1" && child.argument(3) == "break") return false;  // stays
      meet(kind_of_rewrite(child), child);
      return true;
    }
    return false;
  }

  // What is stated at the innermost level that states any.
  std::vector<const Directive*> in_force(const Directive* location, std::string_view name) const {
    if (location != nullptr) {
      if (auto own = children(*location, name); !own.empty()) return own;
    }
    return model_.effective(server_, name);
  }

  void meet_guards(const Directive* location) {
    if (location != nullptr) meet_scripts(*location, "rewrite");
    for (const char* name : {"access_by_lua_block", "access_by_lua_file", "access_by_lua"}) {
      for (const Directive* script : in_force(location, name))
        meet(Obstacle::Kind::script, *script);
    }
    for (const Directive* rule : in_force(location, "deny")) meet(Obstacle::Kind::access, *rule);
    for (const char* name : {"auth_basic", "auth_request"}) {
      for (const Directive* rule : in_force(location, name)) {
        if (rule->argument(1) != "off") meet(Obstacle::Kind::access, *rule);
      }
    }
  }

  const Model& model_;
  const Server& server_;
  std::string_view path_;
  std::vector<Obstacle> obstacles_;
};

}  // namespace

std::string_view to_string(Obstacle::Kind kind) {
  constexpr std::array<std::string_view, 5> kNames = {"script", "condition", "answer", "rewrite",
                                                      "access"};
  return kNames[static_cast<std::size_t>(kind)];
}

const Directive* location_for(const Server& server, std::string_view path) {
  const Directive* found = nullptr;
  find_location(*server.directive, path, found);
  return found;
}

std::vector<Obstacle> obstacles(const Model& model, const Server& server, std::string_view path) {
  return Walk(model, server, path).run();
}

}  // namespace everseal::nginx
