#include "base/json.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace everseal::base {
namespace {

using nlohmann::json;

constexpr int kMostDepth = 4;

// Hears of every name while the text is parsed, and remembers those of the objects that are open.
class NamesSeen {
 public:
  // False at a name that its object already has.
  bool hear(json::parse_event_t event, const json& value) {
    if (event == json::parse_event_t::object_start) open_.emplace_back();
    if (event == json::parse_event_t::object_end) open_.pop_back();
    if (event != json::parse_event_t::key) return true;
    const auto& name = value.get_ref<const std::string&>();
    if (std::ranges::find(open_.back(), name) != open_.back().end()) return false;
    open_.back().push_back(name);
    return true;
  }

 private:
  std::vector<std::vector<std::string>> open_;
};

}  // namespace

Result<> check_before_parsing(std::string_view text, int most_depth) {
  int depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); i++) {
    const char c = text[i];
    if (c == '\0') return invalid("not JSON");
    if (in_string && c == '\\') {
      i++;
    } else if (c == '"') {
      in_string = !in_string;
    } else if (!in_string && (c == '{' || c == '[') && ++depth > most_depth) {
      return invalid("nested too deeply");
    } else if (!in_string && (c == '}' || c == ']')) {
      depth--;
    }
  }
  return {};
}

Result<JsonMembers> JsonMembers::parse(std::string_view text) {
  TRY(check_before_parsing(text, kMostDepth));
  NamesSeen names;
  bool repeated = false;
  const json value = json::parse(
      text,
      [&](int, json::parse_event_t event, const json& part) {
        if (!names.hear(event, part)) repeated = true;
        return true;
      },
      false);
  if (!value.is_object()) return invalid("not a JSON object");
  if (repeated) return invalid("a JSON object that names a member twice");
  JsonMembers result;
  for (const auto& [name, member] : value.items()) {
    const Kind kind = member.is_string()   ? Kind::string
                      : member.is_object() ? Kind::object
                                           : Kind::other;
    result.members_.push_back(
        {name, kind, kind == Kind::string ? member.get<std::string>() : member.dump()});
  }
  return result;
}

const JsonMembers::Member* JsonMembers::find(std::string_view name) const {
  const auto found = std::ranges::find(members_, name, &Member::name);
  return found == members_.end() ? nullptr : &*found;
}

Result<std::string> JsonMembers::value(std::string_view name, Kind kind,
                                       std::string_view kind_name) const {
  const Member* const member = find(name);
  if (!member) return invalid(fmt::format("no \"{}\"", name));
  if (member->kind != kind) return invalid(fmt::format("\"{}\" is not {}", name, kind_name));
  return member->value;
}

Result<std::string> JsonMembers::text(std::string_view name) const {
  return value(name, Kind::string, "a string");
}

Result<std::string> JsonMembers::optional_text(std::string_view name) const {
  if (!has(name)) return std::string();
  return text(name);
}

Result<std::string> JsonMembers::object(std::string_view name) const {
  return value(name, Kind::object, "an object");
}

}  // namespace everseal::base
