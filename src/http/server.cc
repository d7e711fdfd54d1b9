#include "http/server.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <span>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace everseal::http {
namespace {

constexpr std::size_t kMostConnections = 64;
constexpr std::size_t kMostRequestBytes = 8 << 10;
constexpr base::Seconds kMostTime{10};

// A client: its request as it comes, then our answer as it goes.
struct Connection {
  base::FileDescriptor socket;
  Instant deadline;
  std::string request;
  std::string answer;
};

Instant now() { return std::chrono::steady_clock::now(); }

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
  std::string text;
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

Address any_address(int family, std::uint16_t port) {
  Address address;
  if (family == AF_INET6) {
    auto* in6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
    *in6 = {.sin6_family = AF_INET6,
            .sin6_port = htons(port),
            .sin6_flowinfo = 0,
            .sin6_addr = in6addr_any,
            .sin6_scope_id = 0};
    address.size = sizeof(*in6);
    address.text = fmt::format("[::]:{}", port);
  } else {
    auto* in = reinterpret_cast<sockaddr_in*>(&address.storage);
    in->sin_family = AF_INET;
    in->sin_port = htons(port);
    in->sin_addr.s_addr = htonl(INADDR_ANY);
    address.size = sizeof(*in);
    address.text = fmt::format("0.0.0.0:{}", port);
  }
  return address;
}

void set_option(int fd, int level, int option) {
  const int on = 1;
  ::setsockopt(fd, level, option, &on, sizeof(on));
}

Result<base::FileDescriptor> listen_on(int family, std::uint16_t port) {
  Address address = any_address(family, port);
  base::FileDescriptor fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const std::string attempt = fmt::format("listen on {}", address.text);
  if (!fd) return base::system_error(attempt, errno);
  set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR);
  if (family == AF_INET6) set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY);
  if (::bind(fd.get(), address.get(), address.size) != 0 || ::listen(fd.get(), 64) != 0) {
    const int code = errno;
    auto error = base::system_error(attempt, code);
    if (code == EADDRINUSE) error.error().kind = ErrorKind::transient;
    return error;
  }
  return fd;
}

std::uint16_t port_of(const base::FileDescriptor& fd) {
  sockaddr_in address{};
  socklen_t size = sizeof(address);
  ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin_port);
}

// A machine may have been built or booted without IPv6.
bool has_ipv6() {
  base::FileDescriptor fd(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  Address address = any_address(AF_INET6, 0);
  return fd && ::bind(fd.get(), address.get(), address.size) == 0;
}

bool would_block() { return errno == EAGAIN || errno == EINTR; }

// False when the connection is to be closed.
bool receive(Connection& connection) {
  std::array<char, 2048> buffer;
  const ssize_t got = ::recv(connection.socket.get(), buffer.data(), buffer.size(), 0);
  if (got < 0) return would_block();
  connection.request.append(buffer.data(), static_cast<std::size_t>(got));
  return got > 0 && connection.request.size() <= kMostRequestBytes;
}

bool transmit(Connection& connection) {
  const ssize_t sent = ::send(connection.socket.get(), connection.answer.data(),
                              connection.answer.size(), MSG_NOSIGNAL);
  if (sent < 0) return would_block();
  connection.answer.erase(0, static_cast<std::size_t>(sent));
  return !connection.answer.empty();
}

// All that is not a GET is answered, and refused, as soon as that is seen.
bool is_complete(std::string_view request) {
  return !request.starts_with(std::string_view("GET ").substr(0, request.size())) ||
         request.find("\r\n\r\n") != request.npos;
}

}  // namespace

// The listeners, their connections and what is known to them.
class Server::Loop {
 public:
  void add_listener(base::FileDescriptor listener) { listeners_.push_back(std::move(listener)); }

  void run(int event) {
    for (;;) {
      const std::vector<pollfd> polled = poll_all(event);
      if (polled[0].revents != 0) return;
      advance(std::span(polled).subspan(1 + listeners_.size()));
      for (const auto& each : listeners_) accept_from(each.get());
    }
  }

  std::map<std::string, std::string>& bodies() { return bodies_; }

 private:
  // The event, the listeners, the connections, in this order.
  std::vector<pollfd> poll_all(int event) const {
    std::vector<pollfd> polled{{event, POLLIN, 0}};
    const short accepting = connections_.size() < kMostConnections ? POLLIN : 0;
    for (const auto& each : listeners_) polled.push_back({each.get(), accepting, 0});
    for (const auto& each : connections_) {
      const short wanted = each.answer.empty() ? POLLIN : POLLOUT;
      polled.push_back({each.socket.get(), wanted, 0});
    }
    ::poll(polled.data(), polled.size(), connections_.empty() ? -1 : 1000);
    return polled;
  }

  void advance(std::span<const pollfd> polled) {
    std::vector<Connection> kept;
    for (std::size_t i = 0; i < connections_.size(); i++) {
      Connection& each = connections_[i];
      const bool alive = polled[i].revents == 0 || step(each);
      if (alive && now() < each.deadline) kept.push_back(std::move(each));
    }
    connections_ = std::move(kept);
  }

  bool step(Connection& connection) const {
    if (!connection.answer.empty()) return transmit(connection);
    if (!receive(connection)) return false;
    if (is_complete(connection.request)) connection.answer = answer(connection.request);
    return true;
  }

  void accept_from(int listener) {
    while (connections_.size() < kMostConnections) {
      base::FileDescriptor socket(
          ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (!socket) return;
      connections_.push_back({std::move(socket), now() + kMostTime, "", ""});
    }
  }

  // Only the request line matters: "GET /path HTTP/1.1".
  std::string answer(std::string_view request) const {
    const std::string_view line = request.substr(0, request.find("\r\n"));
    const std::size_t space = line.find(' ');
    const std::string_view path =
        line.starts_with("GET ") ? line.substr(4, line.find(' ', space + 1) - 4) : "";
    const auto found = bodies_.find(std::string(path));
    const bool known = found != bodies_.end();
    const std::string_view body = known ? std::string_view(found->second) : "not found\n";
    return fmt::format(
        "HTTP/1.1 {}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n"
        "Connection: close\r\n\r\n{}",
        known ? "200 OK" : "404 Not Found", body.size(), body);
  }

  std::vector<base::FileDescriptor> listeners_;
  std::vector<Connection> connections_;
  std::map<std::string, std::string> bodies_;
};

Server::Server() : loop_(std::make_unique<Loop>()) {}
Server::Server(Server&&) noexcept = default;
Server::~Server() = default;

Result<Server> Server::listen(std::uint16_t port) {
  Server server;
  base::FileDescriptor v4 = TRY(listen_on(AF_INET, port));
  server.port_ = port_of(v4);
  server.loop_->add_listener(std::move(v4));
  if (has_ipv6()) server.loop_->add_listener(TRY(listen_on(AF_INET6, server.port_)));
  return server;
}

void Server::serve_until(const base::FileDescriptor& event) { loop_->run(event.get()); }

void Server::put(const std::string& path, std::string body) {
  loop_->bodies().insert_or_assign(path, std::move(body));
}

void Server::remove(const std::string& path) { loop_->bodies().erase(path); }

}  // namespace everseal::http
