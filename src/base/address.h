// IP addresses as text.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace everseal::base {

// `text` as inet_ntop(3) writes it ("192.0.2.1", "2001:db8::1", RFC 5952), or nullopt if it is no
// IPv4 or IPv6 address.
std::optional<std::string> canonical_address(std::string_view text);

}  // namespace everseal::base
