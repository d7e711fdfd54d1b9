// How many, and which, in words.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace everseal::jobs {

// "1 certificate", "7 certificates".
std::string count_of(std::uint64_t count, std::string_view thing);

// "a, b, c and 4 more".
std::string some_of(const std::vector<std::string>& names);

}  // namespace everseal::jobs
