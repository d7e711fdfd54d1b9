// What one command has to say.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"

namespace everseal::app {

using Json = nlohmann::ordered_json;

constexpr int kDone = 0, kFailed = 1, kPartly = 3;

// A document for programs, lines for people.
struct Output {
  int exit_status = kDone;
  Json document = Json::object();
  std::string text;
  std::optional<std::string> bytes{};     // printed as they are, for people or if no document is
  std::vector<std::string> complaints{};  // lines for standard error
};

// RFC 3339; null for the Time{} that stands for none.
inline Json time_or_null(Time time) {
  return time == Time{} ? Json(nullptr) : Json(base::to_rfc3339(time));
}

}  // namespace everseal::app
