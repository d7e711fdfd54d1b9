// An HTTPS server for one loop on one thread: requests out, answers in.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "http/arrival.h"
#include "http/request_reader.h"

namespace everseal::http {

// A certificate and its key, as PEM files.
struct ServerCertificate {
  std::string chain_file{};  // the leaf first
  std::string key_file{};
};

struct ServerLimits {
  std::size_t most_connections = 2000;
  base::Milliseconds patience{std::chrono::seconds(60)};  // for a whole request, and between two
  std::uint32_t most_streams = 128;                       // of one connection by HTTP/2
  RequestLimits request{};
};

// Takes connections by TLS 1.2 or later and HTTP/2 or 1.1, on a connection as many requests as
// come. A connection that does not begin as TLS does is plain HTTP: its requests say so by their
// URL. What is slow, silent or too large ends; when all places are taken, a new connection takes
// that of the one that has been idle longest. Not for use by several threads.
class TlsServer {
 public:
  // Binds each of `addresses` ("127.0.0.1:14000", "[::1]:0") and listens. Errors: invalid (an
  // address), transient (it is taken), not_found (libssl, a file), internal.
  static Result<TlsServer> listen(const std::vector<std::string>& addresses,
                                  const ServerCertificate& certificate, ServerLimits limits = {});
  TlsServer(TlsServer&&) noexcept;
  ~TlsServer();

  // Where it listens, in the order of `addresses`, with the ports that 0 became.
  const std::vector<std::string>& addresses() const;

  // For connections that come later. Errors: as above; then the one of before stays.
  Result<> use(const ServerCertificate& certificate);

  // wait() returns also when `fd`, which must stay open, can be read.
  void watch(int fd);

  // Moves bytes until requests are there, a watched descriptor can be read, or `deadline` is past;
  // returns all that came together. Each wants one answer() or drop().
  std::vector<Arrival> wait(Instant deadline);

  void answer(std::uint64_t id, Response response);

  // Ends the connection (HTTP/2: the stream) without an answer.
  void drop(std::uint64_t id);

 private:
  class Loop;
  explicit TlsServer(std::unique_ptr<Loop> loop);
  std::unique_ptr<Loop> loop_;
};

}  // namespace everseal::http
