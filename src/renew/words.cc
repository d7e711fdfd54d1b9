#include "renew/words.h"

#include <fmt/format.h>

namespace everseal::renew {

std::string in_words(base::Seconds span) {
  struct Unit {
    std::int64_t seconds;
    const char* name;
  };
  constexpr Unit kUnits[] = {{86400, "day"}, {3600, "hour"}, {60, "minute"}, {1, "second"}};
  const std::int64_t whole = span.count();
  for (const Unit& each : kUnits) {
    const std::int64_t count = whole / each.seconds;
    if (count >= 2) return fmt::format("{} {}s", count, each.name);
    if (count == 1 && whole % each.seconds == 0) return fmt::format("1 {}", each.name);
  }
  return "no time";
}

}  // namespace everseal::renew
