// Requests as a server gets them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "http/message.h"

namespace everseal::http {

// A request that has come in.
struct Arrival {
  std::uint64_t id = 0;      // names its answer
  Request request{};         // its URL is "https://HOST/PATH", or "http://…" if it came without TLS
  std::string client{};      // address, as inet_ntop(3) writes it
  std::size_t listener = 0;  // number of the address that it came to

  // Not 0 if it could not be read, or is larger or of another kind than the server takes: the
  // status to answer with (400, 405, 411, 413, 431 …). Then the request may be empty, and the
  // connection ends after the answer.
  int refused = 0;
};

}  // namespace everseal::http
