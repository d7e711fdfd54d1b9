#include "nginx/patch.h"

#include <algorithm>
#include <utility>

namespace everseal::nginx {

std::string apply(std::string_view text, std::vector<Patch> patches) {
  std::ranges::stable_sort(
      patches, {}, [](const Patch& patch) { return std::pair(patch.offset, patch.length > 0); });
  std::string result;
  std::size_t at = 0;
  for (const Patch& patch : patches) {
    result += text.substr(at, patch.offset - at);
    result += patch.insertion;
    at = patch.offset + patch.length;
  }
  result += text.substr(at);
  return result;
}

}  // namespace everseal::nginx
