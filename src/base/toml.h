// TOML before it is parsed.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace everseal::base {

// Whether toml++ may see `text`, the content of `path`. It makes a table within a table for each
// dot of a key, and takes them apart by calls within calls: a line of dots exhausts the stack. What
// it does with a character like "τ" where a key could stand is undefined (toml++ 3.3). Errors:
// invalid ("PATH:LINE: nested too deeply": a key of more than 32 parts, or brackets within more
// than 32 others; "PATH:LINE: only text in quotes …").
Result<> check_toml_before_parsing(std::string_view text, const std::string& path);

}  // namespace everseal::base
