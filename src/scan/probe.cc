#include "scan/probe.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/err.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "base/address.h"
#include "base/encoding.h"
#include "base/file_descriptor.h"
#include "base/memory.h"
#include "crypto/certificate.h"
#include "crypto/ssl.h"

namespace everseal::scan {
namespace {

using base::FileDescriptor;

constexpr std::size_t kMaxAnswer = 64 << 10;

// A connection whose every step ends by one deadline.
class Connection {
 public:
  static Result<Connection> open(const Target& target, base::Milliseconds timeout) {
    const auto address = TRY(base::SocketAddress::from(target.address, target.port));
    const std::string attempt = fmt::format("connect to {}", to_string(target));
    FileDescriptor socket(
        ::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!socket) return base::system_error(attempt, errno);
    Connection connection(std::move(socket), std::chrono::steady_clock::now() + timeout, attempt);
    if (::connect(connection.fd(), address.native(), address.length()) != 0 && errno != EINPROGRESS)
      return connection.failure(errno);
    TRY(connection.wait(POLLOUT));
    int code = 0;
    socklen_t size = sizeof code;
    ::getsockopt(connection.fd(), SOL_SOCKET, SO_ERROR, &code, &size);
    if (code != 0) return connection.failure(code);
    if (target.proxy_protocol) TRY(connection.send("PROXY UNKNOWN\r\n"));
    return connection;
  }

  int fd() const { return socket_.get(); }

  Result<> wait(short events) {
    while (true) {
      const auto left =
          std::chrono::ceil<base::Milliseconds>(deadline_ - std::chrono::steady_clock::now());
      if (left <= base::Milliseconds(0))
        return base::transient(fmt::format("{}: no answer in time", attempt_));
      pollfd poll{fd(), events, 0};
      if (::poll(&poll, 1, static_cast<int>(left.count())) > 0) return {};
    }
  }

  Result<> send(std::string_view bytes) {
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

  // Until the other side closes, or kMaxAnswer bytes.
  Result<std::string> receive() {
    std::string bytes;
    char buffer[4096];
    while (bytes.size() < kMaxAnswer) {
      const ssize_t got = ::recv(fd(), buffer, sizeof buffer, 0);
      if (got == 0) break;
      if (got < 0 && errno != EAGAIN && errno != EINTR) return failure(errno);
      if (got < 0)
        TRY(wait(POLLIN));
      else
        bytes.append(buffer, static_cast<std::size_t>(got));
    }
    return bytes;
  }

  std::unexpected<Error> failure(int code) const {
    return base::transient(base::system_error(attempt_, code).error().message);
  }
  const std::string& attempt() const { return attempt_; }

 private:
  Connection(FileDescriptor socket, Instant deadline, std::string attempt)
      : socket_(std::move(socket)), deadline_(deadline), attempt_(std::move(attempt)) {}

  FileDescriptor socket_;
  Instant deadline_;
  std::string attempt_;
};

// Once open_ssl() has succeeded.
const crypto::Ssl& ssl() { return **crypto::open_ssl(); }

struct FreeSession {
  void operator()(SSL* session) const { ssl().ssl_free(session); }
};
struct FreeContext {
  void operator()(SSL_CTX* context) const { ssl().context_free(context); }
};

// One for the process: it trusts nobody and asks for everything that a server may still speak.
SSL_CTX* client_context() {
  static const std::unique_ptr<SSL_CTX, FreeContext> context(
      ssl().context_new(ssl().client_method()));
  return context.get();
}

std::string openssl_reason() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  const char* reason = ERR_reason_error_string(code);
  return reason ? reason : "the connection was closed";
}

Result<> drive_handshake(SSL* session, Connection& connection) {
  while (true) {
    const int done = ssl().connect(session);
    if (done == 1) return {};
    switch (ssl().get_error(session, done)) {
      case SSL_ERROR_WANT_READ:
        TRY(connection.wait(POLLIN));
        break;
      case SSL_ERROR_WANT_WRITE:
        TRY(connection.wait(POLLOUT));
        break;
      default:
        return base::transient(
            fmt::format("{}: TLS handshake: {}", connection.attempt(), openssl_reason()));
    }
  }
}

Result<Answer> parse_answer(std::string_view bytes, const std::string& attempt) {
  const std::size_t end = std::min(bytes.find("\r\n\r\n"), bytes.size());
  std::string_view head = bytes.substr(0, end);
  Answer answer;
  if (!head.starts_with("HTTP/1.") || head.size() < 12 ||
      std::from_chars(head.data() + 9, head.data() + 12, answer.status).ec != std::errc())
    return base::rejected(
        fmt::format("{}: not an HTTP answer: '{}'", attempt, base::printable(head, 60)));
  answer.body = bytes.substr(std::min(end + 4, bytes.size()));
  while (!head.empty()) {
    const std::size_t line_end = std::min(head.find("\r\n"), head.size());
    std::string_view line = head.substr(0, line_end);
    head.remove_prefix(std::min(line_end + 2, head.size()));
    constexpr std::string_view kLocation = "location:";
    if (line.size() < kLocation.size() ||
        ::strncasecmp(line.data(), kLocation.data(), kLocation.size()) != 0)
      continue;
    line.remove_prefix(kLocation.size());
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    answer.location = line;
  }
  return answer;
}

}  // namespace

std::string to_string(const Target& target) {
  return target.address.contains(':') ? fmt::format("[{}]:{}", target.address, target.port)
                                      : fmt::format("{}:{}", target.address, target.port);
}

Result<Target> parse_target(std::string_view text) {
  const auto address = base::SocketAddress::parse(text);
  if (!address || address->port() == 0 || address->to_string() != text)
    return base::invalid("expected an address and a port, as \"192.0.2.1:443\" or \"[::1]:443\"");
  return Target{address->address(), address->port()};
}

Result<Leaf> DirectVisitor::handshake(const Target& target, const std::string& server_name,
                                      base::Milliseconds timeout) {
  static_cast<void>(TRY(crypto::open_ssl()));
  Connection connection = TRY(Connection::open(target, timeout));
  const std::unique_ptr<SSL, FreeSession> session(ssl().ssl_new(client_context()));
  if (!session) {
    base::insist_on_memory();
    return base::internal("TLS: " + openssl_reason());
  }
  ssl().set_fd(session.get(), connection.fd());
  // What SSL_set_tlsext_host_name() stands for, without its cast.
  ssl().ctrl(session.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
             const_cast<char*>(server_name.c_str()));
  TRY(drive_handshake(session.get(), connection));
  X509* const peer = ssl().get1_peer_certificate(session.get());
  if (!peer) return base::transient(fmt::format("{}: no certificate", connection.attempt()));
  const auto leaf = crypto::Certificate::adopt(peer);
  return Leaf{leaf.fingerprint(), leaf.issuer(), leaf.not_after()};
}

Result<Answer> DirectVisitor::get(const Target& target, const std::string& host,
                                  const std::string& path, base::Milliseconds timeout) {
  Connection connection = TRY(Connection::open(target, timeout));
  TRY(connection.send(fmt::format(
      "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: everseal\r\nConnection: close\r\n\r\n", path,
      host)));
  return parse_answer(TRY(connection.receive()), connection.attempt());
}

}  // namespace everseal::scan
