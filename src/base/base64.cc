#include "base/base64.h"

#include <algorithm>

#include "base/encoding.h"

namespace everseal::base {

std::string base64(std::string_view bytes) {
  std::string text = base64url(bytes);
  std::ranges::replace(text, '-', '+');
  std::ranges::replace(text, '_', '/');
  while (text.size() % 4 != 0) text += '=';
  return text;
}

}  // namespace everseal::base
