// Unguessable bytes.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

namespace everseal::crypto {

// So many bytes that nobody can guess. Ends the process where there is no randomness to be had.
std::string random_bytes(std::size_t size);

// Randomness as an argument: for the above, or what a test wants in its place.
using Randomness = std::function<std::string(std::size_t size)>;

}  // namespace everseal::crypto
