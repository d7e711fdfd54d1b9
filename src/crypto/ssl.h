// libssl, opened when it is first used: only what speaks TLS itself needs it.
#pragma once

#include <openssl/ssl.h>

#include "base/result.h"

namespace everseal::crypto {

// The functions of libssl that we call.
struct Ssl {
  decltype(&::TLS_client_method) client_method;
  decltype(&::SSL_CTX_new) context_new;
  decltype(&::SSL_CTX_free) context_free;
  decltype(&::SSL_new) ssl_new;
  decltype(&::SSL_free) ssl_free;
  decltype(&::SSL_set_fd) set_fd;
  decltype(&::SSL_ctrl) ctrl;
  decltype(&::SSL_connect) connect;
  decltype(&::SSL_get_error) get_error;
  decltype(&::SSL_get1_peer_certificate) get1_peer_certificate;
  decltype(&::SSL_set_alpn_protos) set_alpn_protocols;

  // Of a server.
  decltype(&::TLS_server_method) server_method;
  decltype(&::SSL_CTX_ctrl) context_ctrl;
  decltype(&::SSL_CTX_set_options) set_options;
  decltype(&::SSL_CTX_use_certificate_chain_file) use_certificate_chain_file;
  decltype(&::SSL_CTX_use_PrivateKey_file) use_private_key_file;
  decltype(&::SSL_CTX_set_alpn_select_cb) set_alpn_select_callback;
  decltype(&::SSL_get0_alpn_selected) get0_alpn_selected;
  decltype(&::SSL_set_accept_state) set_accept_state;
  decltype(&::SSL_read) read;
  decltype(&::SSL_write) write;
  decltype(&::SSL_shutdown) shutdown;
};

// Opens libssl once for the process. Errors: not_found.
Result<const Ssl*> open_ssl();

}  // namespace everseal::crypto
