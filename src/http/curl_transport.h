// The real Transport: libcurl's multi interface.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "http/transport.h"

namespace everseal::http {

struct CurlOptions {
  std::string trusted_pem;             // the certificates that a server's chain must lead to
  std::vector<std::string> addresses;  // of every host that is asked, instead of asking DNS
  std::string user_agent = "everseal/0.1.0";
  base::Seconds connect_timeout{15};
  base::Seconds total_timeout{60};
  std::size_t most_body_bytes = 1 << 20;
};

// HTTP/2 or 1.1 over TLS 1.2 or later, https only. Follows no redirect, uses no proxy (whatever the
// environment says), accepts no compression, raises no signal. At most two connections per host and
// 200 requests in libcurl at once; the rest wait in a queue here. Not for use by several threads.
class CurlTransport : public Transport {
 public:
  // Errors: those of open_curl().
  static Result<std::unique_ptr<CurlTransport>> open(CurlOptions options);
  ~CurlTransport() override;

  void send(std::uint64_t id, Request request) override;
  std::vector<Completion> wait(Instant deadline) override;

 private:
  class Loop;
  explicit CurlTransport(std::unique_ptr<Loop> loop);
  std::unique_ptr<Loop> loop_;
};

}  // namespace everseal::http
