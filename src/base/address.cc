#include "base/address.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <sys/un.h>

#include <charconv>

#include "base/encoding.h"

namespace everseal::base {
namespace {

int family_of(std::string_view address) { return address.contains(':') ? AF_INET6 : AF_INET; }

bool read_into(std::string_view text, void* address) {
  const std::string terminated(text);
  return !text.contains('\0') && ::inet_pton(family_of(text), terminated.c_str(), address) == 1;
}

std::string write(int family, const void* address) {
  char text[INET6_ADDRSTRLEN];
  return ::inet_ntop(family, address, text, sizeof text);
}

}  // namespace

std::optional<std::string> canonical_address(std::string_view text) {
  in6_addr address;  // the larger of both
  if (!read_into(text, &address)) return std::nullopt;
  return write(family_of(text), &address);
}

std::optional<std::string> address_bytes(std::string_view text) {
  in6_addr address;
  if (!read_into(text, &address)) return std::nullopt;
  const std::size_t size = family_of(text) == AF_INET ? sizeof(in_addr) : sizeof(in6_addr);
  return std::string(reinterpret_cast<const char*>(&address), size);
}

std::optional<std::string> address_text(std::string_view bytes) {
  if (bytes.size() == sizeof(in_addr)) return write(AF_INET, bytes.data());
  if (bytes.size() == sizeof(in6_addr)) return write(AF_INET6, bytes.data());
  return std::nullopt;
}

Result<SocketAddress> SocketAddress::from(std::string_view address, std::uint16_t port) {
  SocketAddress made;
  auto* const v4 = reinterpret_cast<sockaddr_in*>(&made.storage_);
  auto* const v6 = reinterpret_cast<sockaddr_in6*>(&made.storage_);
  const bool is_v6 = family_of(address) == AF_INET6;
  void* const to = is_v6 ? static_cast<void*>(&v6->sin6_addr) : &v4->sin_addr;
  if (!read_into(address, to))
    return invalid(fmt::format("'{}' is not a numeric address", printable(address, 80)));
  made.storage_.ss_family = is_v6 ? AF_INET6 : AF_INET;
  made.length_ = is_v6 ? sizeof(*v6) : sizeof(*v4);
  (is_v6 ? v6->sin6_port : v4->sin_port) = htons(port);
  return made;
}

Result<SocketAddress> SocketAddress::parse(std::string_view text) {
  const std::size_t colon = std::min(text.rfind(':'), text.size());
  std::string_view address = text.substr(0, colon);
  const std::string_view port = text.substr(std::min(colon + 1, text.size()));
  const bool bracketed = address.starts_with('[') && address.ends_with(']');
  if (bracketed) address = address.substr(1, address.size() - 2);
  std::uint16_t number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  const auto made = from(address, number);
  if (error == std::errc() && end == port.data() + port.size() && made &&
      bracketed == (made->family() == AF_INET6))
    return *made;
  return invalid(fmt::format("'{}' is no address and port such as 192.0.2.1:443 or [::1]:443",
                             printable(text, 80)));
}

Result<SocketAddress> SocketAddress::local(std::string_view path) {
  SocketAddress made;
  auto* const local = reinterpret_cast<sockaddr_un*>(&made.storage_);
  if (path.size() >= sizeof local->sun_path)
    return invalid(
        fmt::format("the path of the socket is longer than {} bytes", sizeof local->sun_path - 1));
  local->sun_family = AF_UNIX;
  path.copy(local->sun_path, path.size());
  made.length_ = sizeof(*local);
  return made;
}

SocketAddress SocketAddress::of_socket(int fd) {
  SocketAddress bound;
  ::getsockname(fd, bound.native(), &bound.length());
  return bound;
}

std::uint16_t SocketAddress::port() const {
  return ntohs(family() == AF_INET6 ? reinterpret_cast<const sockaddr_in6*>(&storage_)->sin6_port
                                    : reinterpret_cast<const sockaddr_in*>(&storage_)->sin_port);
}

std::string SocketAddress::address() const {
  const auto* const v4 = reinterpret_cast<const sockaddr_in*>(&storage_);
  const auto* const v6 = reinterpret_cast<const sockaddr_in6*>(&storage_);
  if (family() == AF_INET6) return write(AF_INET6, &v6->sin6_addr);
  return family() == AF_INET ? write(AF_INET, &v4->sin_addr) : std::string();
}

std::string SocketAddress::to_string() const {
  if (family() == AF_UNIX) return reinterpret_cast<const sockaddr_un*>(&storage_)->sun_path;
  return family() == AF_INET6 ? fmt::format("[{}]:{}", address(), port())
                              : fmt::format("{}:{}", address(), port());
}

}  // namespace everseal::base
