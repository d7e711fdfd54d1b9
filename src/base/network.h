// Networks of addresses, and what kind of place an address is.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace everseal::base {

// The addresses that begin with the same bits.
class Network {
 public:
  // "10.0.0.0/8", "2001:db8::/32", or one address. Errors: invalid (also if bits that the network
  // leaves open are set).
  static Result<Network> parse(std::string_view text);

  // False for what is no address, and for one of the other family.
  bool contains(std::string_view address) const;

  bool operator==(const Network&) const = default;

 private:
  Network(std::string bytes, unsigned bits) : bytes_(std::move(bytes)), bits_(bits) {}

  std::string bytes_;
  unsigned bits_;
};

// By RFC 6890's registries, and what the large clouds keep at addresses of their own.
enum class AddressKind {
  ordinary,  // also private ones (RFC 1918, RFC 4193)
  loopback,
  unspecified,
  link_local,
  multicast,
  broadcast,
  reserved,
  metadata,  // where a machine of a cloud is told its secrets
};

// "a loopback address", "a reserved address", …
std::string_view to_string(AddressKind kind);

// Of the address itself, whatever it carries. `reserved` for what is no address.
AddressKind kind_of(std::string_view address);

// The address, and the IPv4 addresses that are reached by it where it is translated: IPv4-mapped
// (RFC 4291), IPv4-translated (RFC 2765), NAT64 (RFC 6052), 6to4 (RFC 3056), ISATAP (RFC 5214).
std::vector<std::string> meanings_of(std::string_view address);

}  // namespace everseal::base
