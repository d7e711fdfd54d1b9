// Who sells a name: by what CAs count certificates.
#pragma once

#include <string>
#include <string_view>

namespace everseal::base {

// The name under which a registry sells: "example.co.uk" of "www.example.co.uk", by the public
// suffix list where libpsl is installed, else the last two labels. Of an IPv6 address its /64, of
// an IPv4 address itself.
std::string registered_domain(std::string_view name);

}  // namespace everseal::base
