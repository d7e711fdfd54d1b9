#include "base/network.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/address.h"
#include "base/encoding.h"

namespace everseal::base {
namespace {

struct Place {
  std::string_view network;
  AddressKind kind;
};

// The first that contains an address says what it is.
constexpr std::array kPlaces = {
    Place{"100.100.100.200", AddressKind::metadata},  // Alibaba Cloud
    Place{"168.63.129.16", AddressKind::metadata},    // Azure
    Place{"192.0.0.192", AddressKind::metadata},      // Oracle Cloud
    Place{"fd00:ec2::/32", AddressKind::metadata},    // Amazon
    Place{"fd20:ce::/32", AddressKind::metadata},     // Google
    Place{"127.0.0.0/8", AddressKind::loopback},
    Place{"::1", AddressKind::loopback},
    Place{"0.0.0.0/8", AddressKind::unspecified},
    Place{"::", AddressKind::unspecified},
    Place{"169.254.0.0/16", AddressKind::link_local},
    Place{"fe80::/10", AddressKind::link_local},
    Place{"224.0.0.0/4", AddressKind::multicast},
    Place{"ff00::/8", AddressKind::multicast},
    Place{"255.255.255.255", AddressKind::broadcast},
    Place{"240.0.0.0/4", AddressKind::reserved},
    Place{"192.0.0.0/24", AddressKind::reserved},    // protocol assignments
    Place{"192.88.99.0/24", AddressKind::reserved},  // relays of 6to4
    Place{"::/96", AddressKind::reserved},           // IPv4-compatible
    Place{"64:ff9b:1::/48", AddressKind::reserved},  // NAT64 by a prefix of the network's own
    Place{"100::/64", AddressKind::reserved},        // thrown away
    Place{"2001::/32", AddressKind::reserved},       // Teredo
    Place{"fec0::/10", AddressKind::reserved},       // site-local
};

// An address that carries one of IPv4, from the byte `at` on.
struct Carrier {
  std::string_view network;
  std::size_t at;
};

constexpr std::array kCarriers = {Carrier{"::ffff:0:0/96", 12}, Carrier{"::ffff:0:0:0/96", 12},
                                  Carrier{"64:ff9b::/96", 12}, Carrier{"2002::/16", 2}};

constexpr std::array kKinds = {std::string_view("an ordinary address"),
                               std::string_view("a loopback address"),
                               std::string_view("an unspecified address"),
                               std::string_view("a link-local address"),
                               std::string_view("a multicast address"),
                               std::string_view("a broadcast address"),
                               std::string_view("a reserved address"),
                               std::string_view("the address of a cloud's metadata service")};

bool bit_of(std::string_view bytes, unsigned number) {
  return (static_cast<unsigned char>(bytes[number / 8]) >> (7 - number % 8) & 1) != 0;
}

bool is_isatap(std::string_view bytes) {
  return bytes.size() == 16 && (bytes[8] & ~2) == 0 &&
         bytes.substr(9, 3) == std::string_view("\0\x5e\xfe", 3);
}

}  // namespace

Result<Network> Network::parse(std::string_view text) {
  const std::size_t slash = std::min(text.find('/'), text.size());
  const auto bytes = address_bytes(text.substr(0, slash));
  const auto fault = [&] {
    return invalid(
        fmt::format("'{}' is no network such as 10.0.0.0/8 or 2001:db8::/32", printable(text, 80)));
  };
  if (!bytes) return fault();
  const unsigned all = static_cast<unsigned>(bytes->size() * 8);
  unsigned bits = all;
  if (slash < text.size()) {
    const std::string_view length = text.substr(slash + 1);
    const auto [end, error] = std::from_chars(length.data(), length.data() + length.size(), bits);
    if (error != std::errc() || end != length.data() + length.size() || bits > all) return fault();
  }
  for (unsigned bit = bits; bit < all; bit++)
    if (bit_of(*bytes, bit)) return fault();
  return Network(*bytes, bits);
}

bool Network::contains(std::string_view address) const {
  const auto bytes = address_bytes(address);
  if (!bytes || bytes->size() != bytes_.size()) return false;
  for (unsigned bit = 0; bit < bits_; bit++)
    if (bit_of(*bytes, bit) != bit_of(bytes_, bit)) return false;
  return true;
}

std::string_view to_string(AddressKind kind) { return kKinds[static_cast<std::size_t>(kind)]; }

AddressKind kind_of(std::string_view address) {
  if (!address_bytes(address)) return AddressKind::reserved;
  const auto found = std::ranges::find_if(
      kPlaces, [&](const Place& each) { return Network::parse(each.network)->contains(address); });
  return found == kPlaces.end() ? AddressKind::ordinary : found->kind;
}

std::vector<std::string> meanings_of(std::string_view address) {
  std::vector<std::string> meanings = {std::string(address)};
  const auto bytes = address_bytes(address);
  if (!bytes) return meanings;
  for (const Carrier& each : kCarriers)
    if (Network::parse(each.network)->contains(address))
      meanings.push_back(*address_text(bytes->substr(each.at, 4)));
  if (is_isatap(*bytes)) meanings.push_back(*address_text(bytes->substr(12)));
  return meanings;
}

}  // namespace everseal::base
