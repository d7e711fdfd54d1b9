// Version numbers, compared.
#pragma once

#include <array>

namespace everseal::nginx {

// Major, minor, patch: Version{1, 22, 1} < Version{1, 25, 1}.
using Version = std::array<int, 3>;

}  // namespace everseal::nginx
