#include "ca/json.h"

#include <fmt/format.h>

#include "base/address.h"
#include "base/json.h"

namespace everseal::ca {
namespace {

constexpr int kMostDepth = 16;
constexpr std::size_t kMostItems = 1000;  // of one array

std::unexpected<Refusal> wrong(const char* member, std::string_view expected) {
  return malformed(fmt::format("\"{}\" is not {}", member, expected));
}

}  // namespace

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json identifier(std::string_view name) {
  const bool is_address = base::canonical_address(name).has_value();
  return {{"type", is_address ? "ip" : "dns"}, {"value", name}};
}

void add_error(Json& to, std::string_view kept) {
  Json error = Json::parse(kept, nullptr, false);
  if (!error.is_discarded()) to["error"] = std::move(error);
}

Json to_document(const acme::Problem& problem) {
  Json document = {{"type", "urn:ietf:params:acme:error:" + problem.type},
                   {"detail", problem.detail}};
  if (problem.status != 0) document["status"] = problem.status;
  if (!problem.name.empty()) document["identifier"] = identifier(problem.name);
  for (const acme::Problem& each : problem.subproblems)
    document["subproblems"].push_back(to_document(each));
  return document;
}

Checked<Object> Object::parse(std::string_view text) {
  if (const auto fit = base::check_before_parsing(text, kMostDepth); !fit)
    return malformed(fmt::format("the payload is {}", fit.error().message));
  Json value = Json::parse(text, nullptr, false);
  if (value.is_discarded()) return malformed("the payload is not JSON");
  if (!value.is_object()) return malformed("the payload is not a JSON object");
  return Object(std::move(value));
}

std::vector<std::string> Object::members() const {
  std::vector<std::string> names;
  for (const auto& each : value_.items()) names.push_back(each.key());
  return names;
}

bool Object::has(const char* member) const {
  const auto found = value_.find(member);
  return found != value_.end() && !found->is_null();
}

Checked<std::string> Object::text(const char* member) const {
  auto found = TRY(optional_text(member));
  if (found) return *std::move(found);
  return malformed(fmt::format("\"{}\" is missing", member));
}

Checked<std::optional<std::string>> Object::optional_text(const char* member) const {
  if (!has(member)) return std::nullopt;
  if (!value_[member].is_string()) return wrong(member, "a string");
  return value_[member].get<std::string>();
}

Checked<std::optional<std::int64_t>> Object::optional_integer(const char* member) const {
  if (!has(member)) return std::nullopt;
  if (!value_[member].is_number_integer()) return wrong(member, "an integer");
  return value_[member].get<std::int64_t>();
}

Checked<bool> Object::flag(const char* member) const {
  if (!has(member)) return false;
  if (!value_[member].is_boolean()) return wrong(member, "true or false");
  return value_[member].get<bool>();
}

Checked<const Json*> Object::array(const char* member) const {
  const Json& value = value_[member];
  if (!value.is_array()) return wrong(member, "an array");
  if (value.size() <= kMostItems) return &value;
  return malformed(fmt::format("\"{}\" has more than {} elements", member, kMostItems));
}

Checked<std::vector<std::string>> Object::texts(const char* member) const {
  std::vector<std::string> found;
  if (!has(member)) return found;
  for (const Json& each : *TRY(array(member))) {
    if (!each.is_string()) return wrong(member, "an array of strings");
    found.push_back(each.get<std::string>());
  }
  return found;
}

Checked<std::vector<std::int64_t>> Object::integers(const char* member) const {
  std::vector<std::int64_t> found;
  if (!has(member)) return found;
  for (const Json& each : *TRY(array(member))) {
    if (!each.is_number_integer()) return wrong(member, "an array of integers");
    found.push_back(each.get<std::int64_t>());
  }
  return found;
}

Checked<std::vector<Object>> Object::objects(const char* member) const {
  std::vector<Object> found;
  if (!has(member)) return found;
  for (const Json& each : *TRY(array(member))) {
    if (!each.is_object()) return wrong(member, "an array of objects");
    found.push_back(Object(each));
  }
  return found;
}

Checked<Object> Object::object(const char* member) const {
  if (!has(member)) return malformed(fmt::format("\"{}\" is missing", member));
  if (!value_[member].is_object()) return wrong(member, "an object");
  return Object(value_[member]);
}

Checked<std::string> Object::object_text(const char* member) const {
  return dump(TRY(object(member)).value_);
}

std::string Object::json(const char* member) const {
  return has(member) ? dump(value_[member]) : "null";
}

}  // namespace everseal::ca
