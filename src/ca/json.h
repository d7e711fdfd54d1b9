// JSON as this folder reads it from clients and writes it. For .cc files.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ca/problem.h"

namespace everseal::ca {

using Json = nlohmann::ordered_json;

// One line; bytes that are not UTF-8 become U+FFFD.
std::string dump(const Json& json);

// {"type": "dns" or "ip", "value": NAME} (RFC 8555 §9.7.7, RFC 8738 §3).
Json identifier(std::string_view name);

// A problem document that the ledger kept, as "error"; nothing where it kept none.
void add_error(Json& to, std::string_view kept);

Json to_document(const acme::Problem& problem);

// A JSON object that a client sent. Each function refuses as malformed what is of another type than
// it reads, naming the member; null counts as absent.
class Object {
 public:
  // Refuses what is no object, is nested too deeply, or holds NUL.
  static Checked<Object> parse(std::string_view text);

  std::vector<std::string> members() const;
  bool has(const char* member) const;
  Checked<std::string> text(const char* member) const;  // refuses its absence
  Checked<std::optional<std::string>> optional_text(const char* member) const;
  Checked<std::optional<std::int64_t>> optional_integer(const char* member) const;
  Checked<bool> flag(const char* member) const;                           // false if absent
  Checked<std::vector<std::string>> texts(const char* member) const;      // none if absent
  Checked<std::vector<std::int64_t>> integers(const char* member) const;  // none if absent
  Checked<std::vector<Object>> objects(const char* member) const;         // none if absent
  Checked<Object> object(const char* member) const;                       // refuses its absence
  Checked<std::string> object_text(const char* member) const;  // JSON; refuses its absence
  std::string json(const char* member) const;                  // of any type; "null" if absent

 private:
  explicit Object(Json value) : value_(std::move(value)) {}
  Checked<const Json*> array(const char* member) const;

  Json value_;
};

}  // namespace everseal::ca
