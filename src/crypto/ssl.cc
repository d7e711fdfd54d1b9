#include "crypto/ssl.h"

#include "base/shared_library.h"

namespace everseal::crypto {
namespace {

Result<const Ssl*> open_once() {
  static Ssl ssl;
  const auto library = TRY(base::SharedLibrary::open("libssl.so.3", "Debian's libssl3"));
  TRY(library.find("TLS_client_method", ssl.client_method));
  TRY(library.find("SSL_CTX_new", ssl.context_new));
  TRY(library.find("SSL_CTX_free", ssl.context_free));
  TRY(library.find("SSL_new", ssl.ssl_new));
  TRY(library.find("SSL_free", ssl.ssl_free));
  TRY(library.find("SSL_set_fd", ssl.set_fd));
  TRY(library.find("SSL_ctrl", ssl.ctrl));
  TRY(library.find("SSL_connect", ssl.connect));
  TRY(library.find("SSL_get_error", ssl.get_error));
  TRY(library.find("SSL_get1_peer_certificate", ssl.get1_peer_certificate));
  TRY(library.find("SSL_set_alpn_protos", ssl.set_alpn_protocols));
  TRY(library.find("TLS_server_method", ssl.server_method));
  TRY(library.find("SSL_CTX_ctrl", ssl.context_ctrl));
  TRY(library.find("SSL_CTX_set_options", ssl.set_options));
  TRY(library.find("SSL_CTX_use_certificate_chain_file", ssl.use_certificate_chain_file));
  TRY(library.find("SSL_CTX_use_PrivateKey_file", ssl.use_private_key_file));
  TRY(library.find("SSL_CTX_set_alpn_select_cb", ssl.set_alpn_select_callback));
  TRY(library.find("SSL_get0_alpn_selected", ssl.get0_alpn_selected));
  TRY(library.find("SSL_set_accept_state", ssl.set_accept_state));
  TRY(library.find("SSL_read", ssl.read));
  TRY(library.find("SSL_write", ssl.write));
  TRY(library.find("SSL_shutdown", ssl.shutdown));
  return &ssl;
}

}  // namespace

Result<const Ssl*> open_ssl() {
  static const Result<const Ssl*> ssl = open_once();
  return ssl;
}

}  // namespace everseal::crypto
