// Where the CA connects to because a stranger asked for it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/network.h"

namespace everseal::ca {

// Whoever asks for a certificate says by his name's DNS records where the CA connects to. Private
// networks are what it is for; nobody outside sees the CA's own machine, its wire and its cloud,
// and so nobody may look at them through the CA.
struct Reach {
  enum class Loopback { refused, allowed };

  // Allowed where whoever asks is on this machine, too.
  Loopback loopback = Loopback::refused;
  std::vector<base::Network> also{};   // allowed whatever they are
  std::vector<base::Network> never{};  // refused whatever they are

  // Why `address` is not connected to ("a link-local address"); empty: it may be. An address that
  // carries another one is as that one is.
  std::string_view fault_of(std::string_view address) const;
};

}  // namespace everseal::ca
