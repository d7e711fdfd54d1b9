#include "store/columns.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace everseal::store {

std::string to_json(const std::vector<std::string>& texts) {
  return nlohmann::json(texts).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::vector<std::string> from_json(const std::string& text) {
  std::vector<std::string> texts;
  const auto array = nlohmann::json::parse(text, nullptr, false);
  if (!array.is_array()) return texts;
  for (const auto& element : array)
    if (const auto* value = element.get_ptr<const std::string*>()) texts.push_back(*value);
  return texts;
}

std::string places_of(std::string_view columns) {
  std::string places = "?";
  for (auto more = std::ranges::count(columns, ','); more > 0; --more) places += ", ?";
  return places;
}

std::string replace_into(std::string_view table, std::string_view columns) {
  return fmt::format("INSERT OR REPLACE INTO {} ({}) VALUES ({})", table, columns,
                     places_of(columns));
}

}  // namespace everseal::store
