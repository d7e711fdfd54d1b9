// Serving requests: a table of those that exist and the states in which each is allowed.
#pragma once

#include <span>

#include "privsep/channel.h"
#include "privsep/wire.h"

namespace everseal::privsep {

// The descriptor that a request must come with. Errors: rejected.
inline Result<const base::FileDescriptor*> only_descriptor(
    std::span<const base::FileDescriptor> descriptors) {
  if (descriptors.size() != 1) return base::rejected("a request without its file");
  return &descriptors.front();
}

// Receives one request of the variant `Requests` and answers it by `server`, which has
//   bool allows(const Request&) const         whether its state permits this request now,
//   Result<Answer> handle(Request&, files)    for each of them.
// Errors: the peer is gone, or sent what it may not: the caller ends then, without an answer.
template <class Requests, class Server>
Result<> serve_one(const Channel& channel, Server& server) {
  const Packet packet = TRY(channel.receive());
  Requests requests = TRY(decode<Requests>(packet.bytes));
  return std::visit(
      [&](auto& request) -> Result<> {
        using Answer = typename std::remove_cvref_t<decltype(request)>::Answer;
        if (!server.allows(request)) return base::rejected("a request out of turn");
        const Result<Answer> answer =
            server.handle(request, std::span<const base::FileDescriptor>(packet.descriptors));
        return channel.send(encode(answer));
      },
      requests);
}

}  // namespace everseal::privsep
