#include "base/connection.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>

#include "base/file_system.h"
#include "base/path_walk.h"

namespace everseal::base {
namespace {

constexpr Milliseconds kStopLatency{200};

bool is_ours(uid_t user) { return user == 0 || user == ::geteuid(); }

// To whom root has given the first place on the way that is not root's or ours. Where others write
// in the directory above it, whoever came first has taken it.
Result<std::optional<uid_t>> appointed(const Destination& place) {
  if (!place.weakness || is_ours(place.weakness->owner)) return std::nullopt;
  const auto above = TRY(walk(directory_of(place.weakness->path)));
  if ((above.status.st_mode & (S_IWGRP | S_IWOTH)) != 0) return std::nullopt;
  return place.weakness->owner;
}

// Who called listen(2), as the kernel noted it then (unix(7)).
Result<> check_listener(int connected, const Destination& place) {
  ucred listener{};
  socklen_t size = sizeof listener;
  if (::getsockopt(connected, SOL_SOCKET, SO_PEERCRED, &listener, &size) != 0)
    return system_error(fmt::format("ask who listens at {}", place.path), errno);
  if (is_ours(listener.uid) || TRY(appointed(place)) == listener.uid) return {};
  return rejected(fmt::format(
      "{} is listened at by user {}, to whom root has not given it: nothing was sent. Put the "
      "socket into a directory that belongs to root or to the service's user, and in which nobody "
      "else may write",
      place.path, user_name(listener.uid)));
}

}  // namespace

Result<Connection> Connection::open(const SocketAddress& address, Instant deadline,
                                    const std::atomic<bool>* stop) {
  return open(address, fmt::format("connect to {}", address.to_string()), deadline, stop);
}

Result<Connection> Connection::open(const SocketAddress& address, std::string attempt,
                                    Instant deadline, const std::atomic<bool>* stop) {
  FileDescriptor socket(::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket) return system_error(attempt, errno);
  Connection connection(std::move(socket), deadline, stop, std::move(attempt));
  // Of a Unix socket a full backlog is EAGAIN, at once: nobody answers there.
  if (::connect(connection.fd(), address.native(), address.length()) != 0 && errno != EINPROGRESS)
    return connection.failure(errno);
  TRY(connection.wait(POLLOUT));
  int code = 0;
  socklen_t size = sizeof code;
  ::getsockopt(connection.fd(), SOL_SOCKET, SO_ERROR, &code, &size);
  if (code != 0) return connection.failure(code);
  return connection;
}

// It is the very socket that was looked at that is connected to.
Result<Connection> Connection::open_trusted(const std::string& path, Instant deadline,
                                            const std::atomic<bool>* stop) {
  std::string attempt = fmt::format("connect to {}", path);
  const auto place = walk(path);
  if (!place && place.error().kind == ErrorKind::rejected) return std::unexpected(place.error());
  if (!place) return transient(fmt::format("{}: {}", attempt, place.error().message));
  const auto address =
      TRY(SocketAddress::local(fmt::format("/proc/self/fd/{}", place->handle.get())));
  Connection connection = TRY(open(address, std::move(attempt), deadline, stop));
  TRY(check_listener(connection.fd(), *place));
  return connection;
}

Result<> Connection::wait(short events) {
  while (true) {
    const auto left = std::chrono::ceil<Milliseconds>(deadline_ - std::chrono::steady_clock::now());
    if (left <= Milliseconds(0)) return transient(fmt::format("{}: no answer in time", attempt_));
    if (stop_ && *stop_) return transient(fmt::format("{}: stopped by a signal", attempt_));
    pollfd poll{fd(), events, 0};
    const auto time = stop_ ? std::min(left, kStopLatency) : left;
    if (::poll(&poll, 1, static_cast<int>(time.count())) > 0) return {};
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

Result<> Connection::send_file(const FileDescriptor& file, off_t offset, std::size_t size) {
  while (size > 0) {
    const ssize_t sent = ::sendfile(fd(), file.get(), &offset, size);
    if (sent == 0) return invalid(fmt::format("{}: the file to send was cut", attempt_));
    if (sent < 0 && errno != EAGAIN && errno != EINTR) return failure(errno);
    if (sent < 0)
      TRY(wait(POLLOUT));
    else
      size -= static_cast<std::size_t>(sent);
  }
  return {};
}

Result<std::string> Connection::receive(std::size_t most) {
  std::string bytes;
  std::array<char, 4096> buffer;
  while (bytes.size() < most) {
    const std::size_t size = std::min(buffer.size(), most - bytes.size());
    const ssize_t got = ::recv(fd(), buffer.data(), size, 0);
    if (got == 0) break;
    if (got < 0 && errno != EAGAIN && errno != EINTR) return failure(errno);
    if (got < 0)
      TRY(wait(POLLIN));
    else
      bytes.append(buffer.data(), static_cast<std::size_t>(got));
  }
  return bytes;
}

std::unexpected<Error> Connection::failure(int code) const {
  return transient(system_error(attempt_, code).error().message);
}

}  // namespace everseal::base
