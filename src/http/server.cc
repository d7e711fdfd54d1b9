#include "http/server.h"

#include <fmt/format.h>
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
#include "http/listener.h"

namespace everseal::http {
namespace {

constexpr std::size_t kMostConnections = 200;
constexpr int kBacklog = 64;
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

constexpr std::string_view kAnyV4 = "0.0.0.0", kAnyV6 = "::";

// A machine may have been built or booted without IPv6.
bool has_ipv6() {
  const base::FileDescriptor fd(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto any = base::SocketAddress::from(kAnyV6, 0);
  return fd && any && ::bind(fd.get(), any->native(), any->length()) == 0;
}

// What is known at a path.
struct Page {
  std::string body;
  std::string type;  // of RFC 9110 §8.3.1
};

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

  std::map<std::string, Page>& pages() { return pages_; }

 private:
  // The event, the listeners, the connections, in this order.
  std::vector<pollfd> poll_all(int event) const {
    std::vector<pollfd> polled{{event, POLLIN, 0}};
    for (const auto& each : listeners_) polled.push_back({each.get(), POLLIN, 0});
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

  // Where all places are taken, the oldest goes: a crowd that says nothing keeps nobody out. What
  // one round accepts cannot drive itself out.
  void accept_from(int listener) {
    for (std::size_t i = 0; i < kMostConnections / 4; ++i) {
      base::FileDescriptor socket(
          ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (!socket) return;
      if (connections_.size() == kMostConnections) connections_.erase(connections_.begin());
      connections_.push_back({std::move(socket), now() + kMostTime, "", ""});
    }
  }

  // Only the request line matters: "GET /path HTTP/1.1".
  std::string answer(std::string_view request) const {
    const std::string_view line = request.substr(0, request.find("\r\n"));
    const std::size_t space = line.find(' ');
    const std::string_view path =
        line.starts_with("GET ") ? line.substr(4, line.find(' ', space + 1) - 4) : "";
    static const Page kUnknown{"not found\n", "text/plain"};
    const auto found = pages_.find(std::string(path));
    const bool known = found != pages_.end();
    const Page& page = known ? found->second : kUnknown;
    return fmt::format(
        "HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}",
        known ? "200 OK" : "404 Not Found", page.type, page.body.size(), page.body);
  }

  std::vector<base::FileDescriptor> listeners_;
  std::vector<Connection> connections_;
  std::map<std::string, Page> pages_;
};

Server::Server() : loop_(std::make_unique<Loop>()) {}
Server::Server(Server&&) noexcept = default;
Server::~Server() = default;

Result<Server> Server::listen(std::uint16_t port) {
  Server server;
  TRY(server.add(TRY(base::SocketAddress::from(kAnyV4, port))));
  if (has_ipv6()) TRY(server.add(TRY(base::SocketAddress::from(kAnyV6, server.port_))));
  return server;
}

Result<Server> Server::listen(const base::SocketAddress& address) {
  Server server;
  TRY(server.add(address));
  return server;
}

Result<> Server::add(const base::SocketAddress& address) {
  base::FileDescriptor listener = TRY(listen_on(address, kBacklog));
  port_ = base::SocketAddress::of_socket(listener.get()).port();
  loop_->add_listener(std::move(listener));
  return {};
}

void Server::serve_until(const base::FileDescriptor& event) { loop_->run(event.get()); }

void Server::put(const std::string& path, std::string body, std::string_view type) {
  loop_->pages().insert_or_assign(path, Page{std::move(body), std::string(type)});
}

void Server::remove(const std::string& path) { loop_->pages().erase(path); }

}  // namespace everseal::http
