// What is told, in words and for programs.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "notify/incident.h"

namespace everseal::notify {

// A message to a person. All text is printable.
struct Message {
  std::string event{};  // "trouble", "reminder", "over", "renewed" or "test"
  std::string host{};   // that it comes from
  Time at{};
  std::string subject{};  // one line
  std::string text{};     // lines that end with \n; paragraphs are one line each
  std::vector<News> news{};
  std::vector<std::string> renewed{};  // names of certificates
};

// What one run has to say.
struct Tidings {
  std::vector<News> news{};
  std::vector<std::string> renewed{};  // empty where nobody wants to hear of successes
};

// One message of all of it. What is wrong comes first; of more than twenty incidents the rest is
// counted. Whatever strangers have said is escaped (base::printable) and cut.
Message compose(const Tidings& tidings, std::string_view host, Time now);

// The message as JSON (docs/json.md).
std::string to_json(const Message& message);

// "Sat 21 Nov 2026, 03:50 UTC".
std::string in_words(Time time);

}  // namespace everseal::notify
