#include "base/address.h"

#include <arpa/inet.h>

namespace everseal::base {

std::optional<std::string> canonical_address(std::string_view text) {
  const int family = text.contains(':') ? AF_INET6 : AF_INET;
  const std::string terminated(text);
  in6_addr address;  // the larger of both
  if (terminated.contains('\0') || ::inet_pton(family, terminated.c_str(), &address) != 1)
    return std::nullopt;
  char written[INET6_ADDRSTRLEN];
  return ::inet_ntop(family, &address, written, sizeof written);
}

}  // namespace everseal::base
