// URLs of strangers, taken apart.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace everseal::http {

struct Url {
  std::string scheme{};    // lower-case
  std::string host{};      // a name as it was written, or an address without brackets
  std::uint16_t port = 0;  // 0: the scheme's own
};

// Read as get_once() would read it (libcurl's parser). Errors: invalid (not an absolute URL, no
// host, a user name, a scheme that is unknown, more than 2000 bytes), not_found (no libcurl).
Result<Url> split_url(std::string_view text);

}  // namespace everseal::http
