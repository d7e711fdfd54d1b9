// Bytes as text for MIME and PEM; what JOSE has is in base/encoding.h.
#pragma once

#include <string>
#include <string_view>

namespace everseal::base {

// RFC 4648 §4, with padding.
std::string base64(std::string_view bytes);

}  // namespace everseal::base
