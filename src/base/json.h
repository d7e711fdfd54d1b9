// JSON that strangers sent.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace everseal::base {

// Whether nlohmann's parser may see `text`. Errors: invalid ("nested too deeply": brackets within
// more than `most_depth` others, of which each costs the parser a value; "not JSON": a NUL byte,
// which to the parser is the end).
Result<> check_before_parsing(std::string_view text, int most_depth);

// The members of one small object. JOSE's objects may not name a member twice (RFC 7515 §4); here
// none may, at any depth.
class JsonMembers {
 public:
  // Errors: invalid (not one JSON object, nested deeper than 4, a name twice).
  static Result<JsonMembers> parse(std::string_view text);

  bool has(std::string_view name) const { return find(name) != nullptr; }

  // A member that is a string. Errors: invalid, naming the member that is missing or of another
  // type.
  Result<std::string> text(std::string_view name) const;

  // The same; empty if the member is absent.
  Result<std::string> optional_text(std::string_view name) const;

  // A member that is an object, as JSON. Errors: invalid, as above.
  Result<std::string> object(std::string_view name) const;

 private:
  enum class Kind { string, object, other };
  struct Member {
    std::string name;
    Kind kind;
    std::string value;
  };
  const Member* find(std::string_view name) const;
  Result<std::string> value(std::string_view name, Kind kind, std::string_view kind_name) const;

  std::vector<Member> members_;
};

}  // namespace everseal::base
