#include "http/server_connection.h"

#include <openssl/err.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "crypto/ssl.h"

namespace everseal::http {
namespace {

constexpr std::size_t kMostInOneGo = 256 << 10;  // bytes read before others have their turn
constexpr std::size_t kMostOutput = 1 << 20;     // bytes that wait before no more are read
constexpr unsigned char kTlsHandshake = 22;      // RFC 8446 §5.1
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

const crypto::Ssl& ssl() { return **crypto::open_ssl(); }

bool would_block() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

}  // namespace

void ServerConnection::FreeSession::operator()(SSL* session) const { ssl().ssl_free(session); }

ServerConnection::ServerConnection(base::FileDescriptor socket, const Options& options)
    : options_(options), socket_(std::move(socket)), reader_(options.limits) {}

ServerConnection::~ServerConnection() = default;

bool ServerConnection::wants_to_read() const {
  const bool is_one_by_one = has_protocol_ && !http2_;
  const bool is_busy = is_one_by_one && (owed_ > 0 || read_);
  return lingers_ || (!is_busy && output_.size() < kMostOutput);
}

bool ServerConnection::advance() {
  has_more_ = false;
  if (lingers_) return linger();
  if (!is_known_) {
    const Moved moved = recognise();
    if (moved != Moved::some) return moved == Moved::none;
  }
  return flush() && read_on() && flush() && (!over_ || !output_.empty() || end());
}

ServerConnection::Moved ServerConnection::recognise() {
  unsigned char first = 0;
  const ssize_t got = ::recv(socket_.get(), &first, 1, MSG_PEEK);
  if (got < 0 && would_block()) return Moved::none;
  if (got <= 0) return Moved::over;
  is_known_ = true;
  has_protocol_ = first != kTlsHandshake;
  if (has_protocol_) return Moved::some;
  ssl_.reset(ssl().ssl_new(options_.context));
  if (!ssl_ || ssl().set_fd(ssl_.get(), socket_.get()) != 1) return Moved::over;
  ssl().set_accept_state(ssl_.get());
  return Moved::some;
}

void ServerConnection::choose_protocol() {
  has_protocol_ = true;
  const unsigned char* name = nullptr;
  unsigned size = 0;
  ssl().get0_alpn_selected(ssl_.get(), &name, &size);
  if (std::string_view(reinterpret_cast<const char*>(name), size) == "h2")
    http2_ = std::make_unique<Http2Session>(options_.limits, options_.most_streams);
}

ServerConnection::Moved ServerConnection::tls_outcome(int result) {
  const int code = ssl().get_error(ssl_.get(), result);
  ERR_clear_error();
  tls_wants_to_write_ = code == SSL_ERROR_WANT_WRITE;
  return tls_wants_to_write_ || code == SSL_ERROR_WANT_READ ? Moved::none : Moved::over;
}

ServerConnection::Moved ServerConnection::receive(std::string& bytes) {
  std::array<char, 16 << 10> buffer;
  ssize_t got = 0;
  if (ssl_) {
    tls_wants_to_write_ = false;
    got = ssl().read(ssl_.get(), buffer.data(), static_cast<int>(buffer.size()));
    if (got <= 0) return tls_outcome(static_cast<int>(got));
  } else {
    got = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
    if (got < 0 && would_block()) return Moved::none;
    if (got <= 0) return Moved::over;
  }
  bytes.assign(buffer.data(), static_cast<std::size_t>(got));
  return Moved::some;
}

ServerConnection::Moved ServerConnection::send_some() {
  ssize_t sent = 0;
  if (ssl_) {
    const std::size_t size = std::min<std::size_t>(output_.size(), 1 << 20);
    sent = ssl().write(ssl_.get(), output_.data(), static_cast<int>(size));
    if (sent <= 0) return tls_outcome(static_cast<int>(sent));
  } else {
    sent = ::send(socket_.get(), output_.data(), output_.size(), MSG_NOSIGNAL);
    if (sent < 0) return would_block() ? Moved::none : Moved::over;
  }
  output_.erase(0, static_cast<std::size_t>(sent));
  return Moved::some;
}

// False when the connection is over.
bool ServerConnection::flush() {
  if (http2_ && output_.size() < kMostOutput) output_ += http2_->output();
  while (!output_.empty()) {
    const Moved moved = send_some();
    if (moved == Moved::over) return false;
    if (moved == Moved::none) return true;
  }
  if (http2_ && http2_->is_over()) over_ = true;
  return true;
}

// False when the connection is over.
bool ServerConnection::read_on() {
  std::string bytes;
  std::size_t total = 0;
  if (has_protocol_) take("");  // a request that came together with the last
  while (!over_ && wants_to_read()) {
    const Moved moved = receive(bytes);
    if (moved == Moved::over) return false;
    if (moved == Moved::none) return true;
    if (!has_protocol_) choose_protocol();
    take(bytes);
    if ((total += bytes.size()) > kMostInOneGo) return has_more_ = true;
  }
  return true;
}

void ServerConnection::take(std::string_view bytes) {
  if (http2_) {
    if (!bytes.empty() && !http2_->feed(bytes)) over_ = true;
    return;
  }
  reader_.feed(bytes);
  if (owed_ == 0 && !read_) read_ = reader_.next();
  if (reader_.take_expectation()) output_ += kContinue;
}

std::vector<StreamRequest> ServerConnection::requests() {
  std::vector<StreamRequest> found;
  if (http2_) {
    found = http2_->requests();
  } else if (read_) {
    last_ = read_->last;
    body_ = read_->request.method == Method::head ? Body::leave_out : Body::send;
    found.push_back({.stream = 0, .read = *std::exchange(read_, std::nullopt)});
  }
  owed_ += found.size();
  return found;
}

void ServerConnection::answer(std::int32_t stream, Response response) {
  owed_--;
  if (http2_) return http2_->answer(stream, std::move(response));
  output_ += to_bytes(response, body_, last_);
  over_ = last_;
}

void ServerConnection::drop(std::int32_t stream) {
  owed_--;
  if (http2_) return http2_->drop(stream);
  over_ = true;
}

// All is sent. What the client still sends is read, for a reset would take our answer from it.
bool ServerConnection::end() {
  if (ssl_) {
    ssl().shutdown(ssl_.get());
    ERR_clear_error();
  }
  ::shutdown(socket_.get(), SHUT_WR);
  lingers_ = true;
  return linger();
}

bool ServerConnection::linger() {
  std::array<char, 16 << 10> buffer;
  for (int i = 0; i < 16; i++) {
    const ssize_t got = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
    if (got == 0 || (got < 0 && !would_block())) return false;
    if (got < 0) return true;
  }
  return true;
}

}  // namespace everseal::http
