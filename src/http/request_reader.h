// HTTP/1.1 requests out of the bytes of a connection, and answers into them (RFC 9112).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "http/message.h"

namespace everseal::http {

struct RequestLimits {
  std::size_t most_head_bytes = 16 << 10;  // request line and headers
  std::size_t most_body_bytes = 64 << 10;
};

// A request as it was read.
struct ReadRequest {
  Request request{};   // its URL is the path with the query: "/a?b"
  std::string host{};  // lower-case, with the port if there was one
  bool last = false;   // the connection ends after its answer
  int refused = 0;     // as http::Arrival's
};

// Reads one request after the other. Strict, so that nobody else could read the same bytes as other
// requests: CRLF only, no folded headers, one Content-Length and no transfer encoding (411), no
// bytes that do not belong. After a refusal nothing more is read.
class RequestReader {
 public:
  explicit RequestReader(RequestLimits limits = {}) : limits_(limits) {}

  void feed(std::string_view bytes);

  // The next request that is whole, or refused; nullopt while bytes are missing.
  std::optional<ReadRequest> next();

  // True once for each request whose sender waits for leave to send its body ("100 Continue").
  bool take_expectation();

 private:
  std::optional<ReadRequest> give_up(int status);
  int read_head(std::string_view head);
  int read_request_line(std::string_view line);
  int read_header(std::string_view line);
  int finish_head();
  int take_target(std::string_view target);

  const RequestLimits limits_;
  std::string bytes_;
  std::optional<ReadRequest> current_;  // head read, body not yet
  std::size_t body_bytes_ = 0;          // of it
  bool has_length_ = false, expects_ = false, over_ = false;
};

// An answer's bytes; `head_only` leaves out the body (of a HEAD request).
enum class Body { send, leave_out };
std::string to_bytes(const Response& response, Body body, bool last);

// Whether this is a host as a URL has it, with or without port; of letters, digits and ".-:[]".
bool is_host(std::string_view text);

}  // namespace everseal::http
