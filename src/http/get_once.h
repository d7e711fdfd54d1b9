// One GET, to see what a stranger serves: no more is done than to ask.
#pragma once

#include <cstddef>
#include <expected>
#include <string>

#include "base/address.h"
#include "base/clock.h"

namespace everseal::http {

struct Get {
  std::string url{};              // http or https
  base::SocketAddress address{};  // of the server, whatever the URL says
  base::Milliseconds connect_timeout{5000};
  base::Milliseconds total_timeout{10'000};  // of all, connecting too
  std::size_t most_body_bytes = 1024;        // more is not read
  std::string user_agent{};
};

struct GetAnswer {
  int status = 0;
  std::string body{};
  std::string location{};  // of a redirect, absolute; empty: there is none
};

struct GetFailure {
  // How far it came: no connection, no TLS, no answer that could be read.
  enum class Stage { connecting, securing, answering } stage = Stage::connecting;
  std::string message{};
};

// HTTP/1.1 on a connection of its own, closed afterwards. Certificates are not verified, redirects
// not followed, no proxy or cookie or file of the user is used. Headers may have 16 KiB.
std::expected<GetAnswer, GetFailure> get_once(const Get& get);

}  // namespace everseal::http
