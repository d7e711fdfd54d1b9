// A stream connection whose every step ends by one deadline.
#pragma once

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/file_descriptor.h"
#include "base/result.h"

namespace everseal::base {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;

  // IPv4 or IPv6, numeric. Errors: invalid.
  static Result<SocketAddress> internet(const std::string& address, std::uint16_t port);
  // A Unix socket. Errors: invalid (more than 107 bytes).
  static Result<SocketAddress> local(const std::string& path);
};

// Move-only. All errors are transient and begin with the attempt.
class Connection {
 public:
  // `attempt` as errors name it: "connect to [::1]:443".
  static Result<Connection> open(const SocketAddress& address, Milliseconds timeout,
                                 std::string attempt);

  Result<> send(std::string_view bytes);
  // What comes until the other side closes, or `most` bytes.
  Result<std::string> receive(std::size_t most);
  // Until poll(2) reports one of `events`.
  Result<> wait(short events);

  int fd() const { return socket_.get(); }
  const std::string& attempt() const { return attempt_; }

 private:
  Connection(FileDescriptor socket, Instant deadline, std::string attempt)
      : socket_(std::move(socket)), deadline_(deadline), attempt_(std::move(attempt)) {}
  std::unexpected<Error> failure(int code) const;

  FileDescriptor socket_;
  Instant deadline_;
  std::string attempt_;
};

}  // namespace everseal::base
