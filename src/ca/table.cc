#include "ca/table.h"

#include <fmt/format.h>

#include <charconv>

#include "base/encoding.h"

namespace everseal::ca::table {

Checked<base::Seconds> parse_life(std::string_view text) {
  using namespace std::chrono;
  static const std::map<std::string_view, base::Seconds> kUnits = {
      {"d", days(1)}, {"h", hours(1)}, {"m", minutes(1)}, {"s", seconds(1)}};
  constexpr std::int64_t kMost = 1'000'000;
  std::int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  const auto unit = kUnits.find({rest, static_cast<std::size_t>(end - rest)});
  if (error == std::errc() && unit != kUnits.end() && number <= kMost && number >= -kMost)
    return number * unit->second;
  return malformed(fmt::format("'{}' is no length of time such as 90d, 160h, 30m or 10s",
                               base::printable(text, 40)));
}

}  // namespace everseal::ca::table
