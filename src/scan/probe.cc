#include "scan/probe.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <poll.h>
#include <strings.h>

#include <algorithm>
#include <charconv>
#include <memory>

#include "base/connection.h"
#include "base/encoding.h"
#include "base/memory.h"
#include "crypto/certificate.h"
#include "scan/ssl.h"

namespace everseal::scan {
namespace {

using base::Connection;

constexpr std::size_t kMaxAnswer = 64 << 10;

Result<Connection> connect_to(const Target& target, base::Milliseconds timeout) {
  const auto address = TRY(base::SocketAddress::internet(target.address, target.port));
  Connection connection =
      TRY(Connection::open(address, timeout, fmt::format("connect to {}", to_string(target))));
  if (target.proxy_protocol) TRY(connection.send("PROXY UNKNOWN\r\n"));
  return connection;
}

// Once open_ssl() has succeeded.
const Ssl& ssl() { return **open_ssl(); }

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

// In the words of SSL_set1_sigalgs_list(3).
const char* signatures_of(crypto::KeyFamily family) {
  return family == crypto::KeyFamily::ecdsa
             ? "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512"
             : "RSA-PSS+SHA256:RSA-PSS+SHA384:RSA-PSS+SHA512:RSA+SHA256:RSA+SHA384:RSA+SHA512";
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
  const std::size_t colon = std::min(text.rfind(':'), text.size());
  std::string_view address = text.substr(0, colon);
  const std::string_view port = text.substr(std::min(colon + 1, text.size()));
  if (address.starts_with('[') && address.ends_with(']'))
    address = address.substr(1, address.size() - 2);
  Target target{.address = std::string(address)};
  const auto number = std::from_chars(port.data(), port.data() + port.size(), target.port);
  if (number.ec != std::errc() || number.ptr != port.data() + port.size() || target.port == 0 ||
      !base::SocketAddress::internet(target.address, target.port) || to_string(target) != text)
    return base::invalid("expected an address and a port, as \"192.0.2.1:443\" or \"[::1]:443\"");
  return target;
}

Result<Leaf> DirectVisitor::handshake(const Target& target, const std::string& server_name,
                                      base::Milliseconds timeout) {
  static_cast<void>(TRY(open_ssl()));
  Connection connection = TRY(connect_to(target, timeout));
  const std::unique_ptr<SSL, FreeSession> session(ssl().ssl_new(client_context()));
  if (!session) {
    base::insist_on_memory();
    return base::internal("TLS: " + openssl_reason());
  }
  ssl().set_fd(session.get(), connection.fd());
  // What SSL_set_tlsext_host_name() stands for, without its cast.
  ssl().ctrl(session.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
             const_cast<char*>(server_name.c_str()));
  if (target.key)
    ssl().ctrl(session.get(), SSL_CTRL_SET_SIGALGS_LIST, 0,
               const_cast<char*>(signatures_of(*target.key)));
  TRY(drive_handshake(session.get(), connection));
  X509* const peer = ssl().get1_peer_certificate(session.get());
  if (!peer) return base::transient(fmt::format("{}: no certificate", connection.attempt()));
  const auto leaf = crypto::Certificate::adopt(peer);
  return Leaf{leaf.fingerprint(), leaf.issuer(), leaf.not_after()};
}

Result<Answer> DirectVisitor::get(const Target& target, const std::string& host,
                                  const std::string& path, base::Milliseconds timeout) {
  Connection connection = TRY(connect_to(target, timeout));
  TRY(connection.send(fmt::format(
      "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: everseal\r\nConnection: close\r\n\r\n", path,
      host)));
  return parse_answer(TRY(connection.receive(kMaxAnswer)), connection.attempt());
}

}  // namespace everseal::scan
