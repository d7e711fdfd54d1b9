#include "crypto/tls_client.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <poll.h>

#include "base/memory.h"
#include "crypto/openssl.h"
#include "crypto/ssl.h"

namespace everseal::crypto {
namespace {

// Once open_ssl() has succeeded.
const Ssl& ssl() { return **open_ssl(); }

struct FreeSession {
  void operator()(SSL* session) const { ssl().ssl_free(session); }
};
struct FreeContext {
  void operator()(SSL_CTX* context) const { ssl().context_free(context); }
};
using SessionPointer = std::unique_ptr<SSL, FreeSession>;

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
const char* signatures_of(KeyFamily family) {
  return family == KeyFamily::ecdsa
             ? "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512"
             : "RSA-PSS+SHA256:RSA-PSS+SHA384:RSA-PSS+SHA512:RSA+SHA256:RSA+SHA384:RSA+SHA512";
}

// SSL_set_tlsext_host_name() and SSL_set_min_proto_version() without their casts.
void prepare(SSL* session, const TlsGreeting& greeting) {
  ssl().ctrl(session, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
             const_cast<char*>(greeting.server_name.c_str()));
  if (greeting.key)
    ssl().ctrl(session, SSL_CTRL_SET_SIGALGS_LIST, 0,
               const_cast<char*>(signatures_of(*greeting.key)));
  if (greeting.protocol.empty()) return;
  const std::string list = static_cast<char>(greeting.protocol.size()) + greeting.protocol;
  ssl().set_alpn_protocols(session, to_unsigned(list), static_cast<unsigned>(list.size()));
  ssl().ctrl(session, SSL_CTRL_SET_MIN_PROTO_VERSION, TLS1_2_VERSION, nullptr);
}

Result<> drive(SSL* session, base::Connection& connection) {
  ERR_clear_error();
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

std::string protocol_of(SSL* session) {
  const unsigned char* data = nullptr;
  unsigned size = 0;
  ssl().get0_alpn_selected(session, &data, &size);
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace

Result<TlsAnswer> tls_handshake(base::Connection& connection, const TlsGreeting& greeting) {
  static_cast<void>(TRY(open_ssl()));
  const SessionPointer session(ssl().ssl_new(client_context()));
  if (!session) {
    base::insist_on_memory();
    return base::internal("TLS: " + openssl_reason());
  }
  prepare(session.get(), greeting);
  ssl().set_fd(session.get(), connection.fd());
  TRY(drive(session.get(), connection));
  X509* const peer = ssl().get1_peer_certificate(session.get());
  if (!peer) return base::transient(fmt::format("{}: no certificate", connection.attempt()));
  return TlsAnswer{Certificate::adopt(peer), protocol_of(session.get())};
}

}  // namespace everseal::crypto
