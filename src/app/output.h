// What one command has to say.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace everseal::app {

using Json = nlohmann::ordered_json;

constexpr int kDone = 0, kFailed = 1, kPartly = 3;

// A document for programs, lines for people.
struct Output {
  int exit_status = kDone;
  Json document;
  std::string text;
};

}  // namespace everseal::app
