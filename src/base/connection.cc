#include "base/connection.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace everseal::base {

Result<SocketAddress> SocketAddress::internet(const std::string& address, std::uint16_t port) {
  SocketAddress result;
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  v4.sin_family = AF_INET;
  v6.sin6_family = AF_INET6;
  v4.sin_port = v6.sin6_port = htons(port);
  if (inet_pton(AF_INET, address.c_str(), &v4.sin_addr) == 1) {
    std::memcpy(&result.storage, &v4, result.size = sizeof v4);
  } else if (inet_pton(AF_INET6, address.c_str(), &v6.sin6_addr) == 1) {
    std::memcpy(&result.storage, &v6, result.size = sizeof v6);
  } else {
    return invalid(fmt::format("'{}' is not a numeric address", address));
  }
  return result;
}

Result<SocketAddress> SocketAddress::local(const std::string& path) {
  SocketAddress result;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return invalid(
        fmt::format("the path of the socket is longer than {} bytes", sizeof address.sun_path - 1));
  path.copy(address.sun_path, path.size());
  std::memcpy(&result.storage, &address, result.size = sizeof address);
  return result;
}

Result<Connection> Connection::open(const SocketAddress& address, Milliseconds timeout,
                                    std::string attempt) {
  FileDescriptor socket(
      ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket) return system_error(attempt, errno);
  Connection connection(std::move(socket), std::chrono::steady_clock::now() + timeout,
                        std::move(attempt));
  const auto* generic = static_cast<const sockaddr*>(static_cast<const void*>(&address.storage));
  // Of a Unix socket a full backlog is EAGAIN, at once: nobody answers there.
  if (::connect(connection.fd(), generic, address.size) != 0 && errno != EINPROGRESS)
    return connection.failure(errno);
  TRY(connection.wait(POLLOUT));
  int code = 0;
  socklen_t size = sizeof code;
  ::getsockopt(connection.fd(), SOL_SOCKET, SO_ERROR, &code, &size);
  if (code != 0) return connection.failure(code);
  return connection;
}

Result<> Connection::wait(short events) {
  while (true) {
    const auto left = std::chrono::ceil<Milliseconds>(deadline_ - std::chrono::steady_clock::now());
    if (left <= Milliseconds(0)) return transient(fmt::format("{}: no answer in time", attempt_));
    pollfd poll{fd(), events, 0};
    if (::poll(&poll, 1, static_cast<int>(left.count())) > 0) return {};
  }
}

Result<> Connection::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) return failure(errno);
    if (sent < 0)
      TRY(wait(POLLOUT));
    else
      bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return {};
}

Result<std::string> Connection::receive(std::size_t most) {
  std::string bytes;
  char buffer[4096];
  while (bytes.size() < most) {
    const ssize_t got = ::recv(fd(), buffer, std::min(sizeof buffer, most - bytes.size()), 0);
    if (got == 0) break;
    if (got < 0 && errno != EAGAIN && errno != EINTR) return failure(errno);
    if (got < 0)
      TRY(wait(POLLIN));
    else
      bytes.append(buffer, static_cast<std::size_t>(got));
  }
  return bytes;
}

std::unexpected<Error> Connection::failure(int code) const {
  return transient(system_error(attempt_, code).error().message);
}

}  // namespace everseal::base
