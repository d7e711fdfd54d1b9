// HTTP/2 on the server's side of one connection (RFC 9113), by libnghttp2.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "http/request_reader.h"

namespace everseal::http {

// A request of one of the connection's streams.
struct StreamRequest {
  std::int32_t stream = 0;
  ReadRequest read{};
};

// The state of one connection, without its socket: bytes in, requests out; answers in, bytes out.
class Http2Session {
 public:
  // Opens libnghttp2 once for the process. Errors: not_found: HTTP/1.1 must do.
  static Result<> open_library();

  // Once open_library() has succeeded. At most `most_streams` requests at once.
  Http2Session(RequestLimits limits, std::uint32_t most_streams);
  Http2Session(Http2Session&&) = delete;
  ~Http2Session();

  // False where the connection cannot go on; it ends when output() is sent.
  bool feed(std::string_view bytes);

  // The requests that became whole, or were refused, since the last call.
  std::vector<StreamRequest> requests();

  // The client may have given the stream up: then nothing happens.
  void answer(std::int32_t stream, Response response);
  // Ends the stream without an answer.
  void drop(std::int32_t stream);

  // Bytes for the client; empty if there is nothing to send now.
  std::string output();

  // Whether the connection has ended.
  bool is_over() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace everseal::http
