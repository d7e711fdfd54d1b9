// Unicode as bytes.
#pragma once

#include <cstddef>
#include <string_view>

namespace everseal::base {

// How many bytes the UTF-8 sequence has that begins `text`, which is not empty; 0 if it is none
// (RFC 3629 §4) or of a C1 control.
std::size_t utf8_length(std::string_view text);

}  // namespace everseal::base
