// IP addresses as text and as the kernel has them.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace everseal::base {

// `text` as inet_ntop(3) writes it ("192.0.2.1", "2001:db8::1", RFC 5952), or nullopt if it is no
// IPv4 or IPv6 address.
std::optional<std::string> canonical_address(std::string_view text);

// The 4 or 16 bytes of an address in the order of the network, and back; nullopt if it is none.
std::optional<std::string> address_bytes(std::string_view text);
std::optional<std::string> address_text(std::string_view bytes);

// Where bind(2), connect(2) and their kin go: an address and a port, or a Unix socket.
class SocketAddress {
 public:
  // Errors: invalid ("'x' is not a numeric address").
  static Result<SocketAddress> from(std::string_view address, std::uint16_t port);

  // "192.0.2.1:443" or "[2001:db8::1]:443". Errors: invalid.
  static Result<SocketAddress> parse(std::string_view text);

  // A Unix socket. Errors: invalid (more than 107 bytes).
  static Result<SocketAddress> local(std::string_view path);

  // Where a socket is bound.
  static SocketAddress of_socket(int fd);

  bool operator==(const SocketAddress& other) const { return to_string() == other.to_string(); }

  // What accept4(2) is to fill.
  SocketAddress() = default;
  sockaddr* native() { return reinterpret_cast<sockaddr*>(&storage_); }
  const sockaddr* native() const { return reinterpret_cast<const sockaddr*>(&storage_); }
  socklen_t& length() { return length_; }
  socklen_t length() const { return length_; }

  int family() const { return storage_.ss_family; }
  std::uint16_t port() const;
  std::string address() const;    // "2001:db8::1"
  std::string to_string() const;  // as parse() reads it; the path of a Unix socket

 private:
  sockaddr_storage storage_{};
  socklen_t length_ = sizeof(sockaddr_storage);
};

}  // namespace everseal::base
