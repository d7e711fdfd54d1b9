// A client and a CA in one process: no socket, and only as much time as they ask for.
#pragma once

#include <cstdint>
#include <vector>

#include "base/clock.h"
#include "ca/front_end.h"
#include "http/transport.h"

namespace everseal::ca {

// Hands each request to the front end. What was sent since the last wait() comes there together, as
// it would from one turn of a server's loop; waiting moves the clock. Both must outlive it.
class LoopbackTransport : public http::Transport {
 public:
  LoopbackTransport(FrontEnd& front_end, base::FakeClock& clock)
      : front_end_(front_end), clock_(clock) {}

  void send(std::uint64_t id, http::Request request) override;
  std::vector<http::Completion> wait(Instant deadline) override;

  // While the CA cannot be reached, requests end with transient errors and reach nobody.
  bool is_down = false;

 private:
  struct Pending {
    Instant due;
    http::Completion completion;
  };
  void handle_arrivals();
  std::vector<http::Completion> take_due();
  void sleep_until(Instant deadline);

  FrontEnd& front_end_;
  base::FakeClock& clock_;
  std::vector<http::Arrival> arrivals_;
  std::vector<Pending> pending_;  // in the order in which they were sent
};

}  // namespace everseal::ca
