#include "http/listener.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>

namespace everseal::http {

Result<base::FileDescriptor> listen_on(const base::SocketAddress& address, int backlog) {
  const std::string attempt = fmt::format("listen on {}", address.to_string());
  base::FileDescriptor fd(
      ::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return base::system_error(attempt, errno);
  const int on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (address.family() == AF_INET6)
    ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  if (::bind(fd.get(), address.native(), address.length()) == 0 && ::listen(fd.get(), backlog) == 0)
    return fd;
  const int code = errno;
  auto error = base::system_error(attempt, code);
  if (code == EADDRINUSE) error.error().kind = ErrorKind::transient;
  return error;
}

}  // namespace everseal::http
