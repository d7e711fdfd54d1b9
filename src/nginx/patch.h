// Changes to a file's bytes that leave every other byte alone.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace everseal::nginx {

// Replaces `length` bytes at `offset` of the original by `insertion`.
struct Patch {
  std::size_t offset = 0;
  std::size_t length = 0;
  std::string insertion;
};

// `text` with all patches made. They must not overlap; of several at one offset what is only
// inserted comes before what something is put in place of, and else they keep their order.
std::string apply(std::string_view text, std::vector<Patch> patches);

// A file before and after.
struct FileEdit {
  std::string path;                   // real path
  std::optional<std::string> before;  // nullopt: a new file
  std::string after;
};

}  // namespace everseal::nginx
