// What a CA will run into, looked at before it is asked: a name that leads nowhere costs an
// attempt.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "scan/probe.h"

namespace everseal::jobs {

// What is in place for a CA that asks for this token of http-01.
struct PlacedAnswer {
  std::string name;
  std::string token;
  std::string body;
};

// More names than this are not looked at.
inline constexpr std::size_t kMostLookedAt = 200;

// Something in a CA's way, as it looks from here.
struct Hindrance {
  std::vector<std::string> names{};  // that run into it
  std::string address{};             // where they lead; empty: nowhere
  std::string why{};
};

struct Preflight {
  std::vector<Hindrance> hindrances{};
  std::vector<std::string> unanswered{};  // names that lead somewhere, and nobody answers there
};

// Looks the names up and asks at each of their addresses, for some ten seconds in all.
// Errors: those of Scout::look_up().
Result<Preflight> look_ahead(scan::Scout& scout, std::span<const PlacedAnswer> answers);

// One line for a person: advice, since a CA may see more of the DNS and of the way than this
// machine does.
std::string to_string(const Hindrance& hindrance);

}  // namespace everseal::jobs
