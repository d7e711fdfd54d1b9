#include "privsep/channel.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "privsep/wire.h"

namespace everseal::privsep {
namespace {

constexpr std::size_t kMostDescriptors = 2;
constexpr const char* kGone = "the other side is gone";

// Room for descriptors beside a packet, aligned as cmsg(3) wants it.
struct alignas(cmsghdr) ControlBuffer {
  std::array<char, CMSG_SPACE(kMostDescriptors * sizeof(int))> bytes{};
};

std::vector<base::FileDescriptor> take_descriptors(msghdr& message) {
  std::vector<base::FileDescriptor> descriptors;
  for (cmsghdr* each = CMSG_FIRSTHDR(&message); each; each = CMSG_NXTHDR(&message, each)) {
    if (each->cmsg_level != SOL_SOCKET || each->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (each->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(each) + i * sizeof fd, sizeof fd);
      descriptors.emplace_back(fd);
    }
  }
  return descriptors;
}

}  // namespace

Result<std::pair<Channel, Channel>> Channel::make_pair() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
    return base::system_error("make a pair of sockets", errno);
  return std::pair(Channel(base::FileDescriptor(ends[0])), Channel(base::FileDescriptor(ends[1])));
}

Result<> Channel::send(std::string_view bytes, const base::FileDescriptor* descriptor) const {
  if (bytes.empty() || bytes.size() > kMostMessageBytes)
    return base::internal("a message between processes is too large");
  iovec part{const_cast<char*>(bytes.data()), bytes.size()};
  ControlBuffer control;
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (descriptor) {
    message.msg_control = control.bytes.data();
    message.msg_controllen = CMSG_SPACE(sizeof(int));
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    const int fd = descriptor->get();
    std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  }
  while (::sendmsg(socket_.get(), &message, MSG_NOSIGNAL) < 0) {
    if (errno == EINTR) continue;
    if (errno == EPIPE || errno == ECONNRESET) return base::transient(kGone);
    return base::system_error("send a message between processes", errno);
  }
  return {};
}

bool Channel::wait(Instant deadline) const {
  const auto left =
      std::chrono::ceil<base::Milliseconds>(deadline - std::chrono::steady_clock::now()).count();
  if (left <= 0) return false;
  pollfd polled{socket_.get(), POLLIN, 0};
  constexpr std::int64_t kMostAtOnce = 60'000;
  return ::poll(&polled, 1, static_cast<int>(std::min(left, kMostAtOnce))) > 0;
}

Result<Packet> Channel::receive() const {
  ssize_t size = 0;  // of the packet that is next, 0 at the end
  while ((size = ::recv(socket_.get(), nullptr, 0, MSG_PEEK | MSG_TRUNC)) < 0 && errno == EINTR) {
  }
  if (size <= 0) return base::transient(kGone);
  if (size > static_cast<ssize_t>(kMostMessageBytes))
    return base::rejected("a message between processes is too large");
  Packet packet{std::string(static_cast<std::size_t>(size), '\0'), {}};
  iovec part{packet.bytes.data(), packet.bytes.size()};
  ControlBuffer control;
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes.data();
  message.msg_controllen = control.bytes.size();
  ssize_t got = 0;
  while ((got = ::recvmsg(socket_.get(), &message, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR) {
  }
  if (got <= 0) return base::transient(kGone);
  packet.descriptors = take_descriptors(message);
  if (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
    return base::rejected("a message between processes has too many descriptors");
  return packet;
}

}  // namespace everseal::privsep
