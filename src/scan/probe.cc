#include "scan/probe.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/connection.h"
#include "base/encoding.h"
#include "crypto/tls_client.h"

namespace everseal::scan {
namespace {

constexpr std::size_t kMaxAnswer = 64 << 10;

Result<base::Connection> connect(const Target& target, base::Milliseconds timeout) {
  auto connection =
      TRY(base::Connection::open(TRY(base::SocketAddress::from(target.address, target.port)),
                                 std::chrono::steady_clock::now() + timeout));
  if (target.proxy_protocol) TRY(connection.send("PROXY UNKNOWN\r\n"));
  return connection;
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
  auto connection = TRY(connect(target, timeout));
  const auto answer =
      TRY(crypto::tls_handshake(connection, {.server_name = server_name, .key = target.key}));
  const crypto::Certificate& leaf = answer.leaf;
  return Leaf{leaf.fingerprint(), leaf.issuer(), leaf.not_after()};
}

Result<Answer> DirectVisitor::get(const Target& target, const std::string& host,
                                  const std::string& path, base::Milliseconds timeout) {
  auto connection = TRY(connect(target, timeout));
  TRY(connection.send(fmt::format(
      "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: everseal\r\nConnection: close\r\n\r\n", path,
      host)));
  return parse_answer(TRY(connection.receive(kMaxAnswer)), connection.attempt());
}

}  // namespace everseal::scan
