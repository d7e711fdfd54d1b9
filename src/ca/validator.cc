#include "ca/validator.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/encoding.h"

namespace everseal::ca {
namespace {

constexpr std::array<std::string_view, 3> kChallengeTypes = {"http-01", "dns-01", "tls-alpn-01"};

}  // namespace

std::string_view to_string(ChallengeType type) {
  return kChallengeTypes[static_cast<std::size_t>(type)];
}

Result<ChallengeType> parse_challenge_type(std::string_view text) {
  const auto found = std::ranges::find(kChallengeTypes, text);
  if (found != kChallengeTypes.end())
    return static_cast<ChallengeType>(found - kChallengeTypes.begin());
  return base::invalid(fmt::format("no type of challenge: {}", base::printable(text, 40)));
}

}  // namespace everseal::ca
