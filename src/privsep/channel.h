// The line between two roles: a pair of sockets that keeps messages apart.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/file_descriptor.h"
#include "base/result.h"

namespace everseal::privsep {

// What came: bytes, and at most two descriptors beside them.
struct Packet {
  std::string bytes{};
  std::vector<base::FileDescriptor> descriptors{};
};

// One end of a SOCK_SEQPACKET pair (unix(7)); move-only. A packet arrives whole or not at all.
class Channel {
 public:
  Channel() = default;
  explicit Channel(base::FileDescriptor socket) : socket_(std::move(socket)) {}

  // Errors: internal.
  static Result<std::pair<Channel, Channel>> make_pair();

  // At most kMostMessageBytes. The other side gets a copy of `descriptor`. Errors: transient (the
  // other side is gone), internal.
  Result<> send(std::string_view bytes, const base::FileDescriptor* descriptor = nullptr) const;

  // Whether there is something to receive, or the other side is gone; false once `deadline` has
  // passed or a signal came.
  bool wait(Instant deadline) const;

  // The next packet; waits for it. Errors: transient (the other side is gone), rejected (a packet
  // that is too large or has too many descriptors).
  Result<Packet> receive() const;

  const base::FileDescriptor& socket() const { return socket_; }
  explicit operator bool() const { return static_cast<bool>(socket_); }

 private:
  base::FileDescriptor socket_;
};

}  // namespace everseal::privsep
