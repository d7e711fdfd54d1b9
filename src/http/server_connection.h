// One client of a TlsServer: its socket, its TLS, its protocol.
#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/file_descriptor.h"
#include "http/http2_session.h"
#include "http/request_reader.h"

namespace everseal::http {

// Recognises by the first byte whether the client speaks TLS, and by ALPN whether HTTP/2. Needs
// crypto::open_ssl(). Never waits: advance() goes as far as the socket lets it.
class ServerConnection {
 public:
  struct Options {
    SSL_CTX* context;  // for those that speak TLS
    RequestLimits limits{};
    std::uint32_t most_streams = 0;
  };

  // `socket` does not block.
  ServerConnection(base::FileDescriptor socket, const Options& options);
  ServerConnection(ServerConnection&&) = delete;
  ~ServerConnection();

  // Sends and receives. False when the connection is over.
  bool advance();

  // What came in since the last call; each wants an answer or a drop. `stream` is the connection's.
  std::vector<StreamRequest> requests();
  void answer(std::int32_t stream, Response response);
  void drop(std::int32_t stream);

  const base::FileDescriptor& socket() const { return socket_; }
  bool is_tls() const { return ssl_ != nullptr; }
  bool wants_to_read() const;
  bool wants_to_write() const { return !output_.empty() || tls_wants_to_write_; }
  // Whether advance() stopped although there was more, so that others have their turn.
  bool has_more() const { return has_more_; }
  // Whether requests wait for our answer.
  bool is_owed() const { return owed_ > 0; }

 private:
  struct FreeSession {
    void operator()(SSL* session) const;
  };
  enum class Moved { some, none, over };

  Moved recognise();
  void choose_protocol();
  Moved receive(std::string& bytes);
  Moved send_some();
  Moved tls_outcome(int result);
  bool flush();
  bool read_on();
  void take(std::string_view bytes);
  bool linger();
  bool end();

  const Options options_;
  base::FileDescriptor socket_;
  std::unique_ptr<SSL, FreeSession> ssl_;
  std::unique_ptr<Http2Session> http2_;
  RequestReader reader_;             // where it is not HTTP/2
  std::optional<ReadRequest> read_;  // by it
  Body body_ = Body::send;
  bool is_known_ = false;  // how the client speaks
  bool has_protocol_ = false;
  bool last_ = false;     // no request after the one in work
  bool over_ = false;     // nothing more is read as soon as output_ is sent
  bool lingers_ = false;  // all is sent; what still comes is thrown away
  bool tls_wants_to_write_ = false, has_more_ = false;
  std::size_t owed_ = 0;
  std::string output_;
};

}  // namespace everseal::http
