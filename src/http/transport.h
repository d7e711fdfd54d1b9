// Moving messages: many requests at once, driven by one thread.
#pragma once

#include <cstdint>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "http/message.h"

namespace everseal::http {

// How one request ended. A response of any status is a success here.
struct Completion {
  std::uint64_t id;
  Result<Response> result;  // errors: transient (connection, TLS, time), invalid (URL)
};

// Interface for exchanging messages. Every request completes exactly once, in any order.
class Transport {
 public:
  virtual ~Transport() = default;

  // Queues a request; `id` is the caller's and names the completion.
  virtual void send(std::uint64_t id, Request request) = 0;

  // Moves messages until at least one request completed or `deadline` came; returns at once if
  // `deadline` is past. With nothing in flight it sleeps.
  virtual std::vector<Completion> wait(Instant deadline) = 0;
};

}  // namespace everseal::http
