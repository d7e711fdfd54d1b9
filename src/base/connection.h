// A stream connection as a client makes it.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <string>
#include <string_view>

#include "base/address.h"
#include "base/clock.h"
#include "base/file_descriptor.h"
#include "base/result.h"

namespace everseal::base {

// A connection whose every step ends by one deadline, or soon after `stop` is set. Errors of all
// steps: transient ("connect to ADDRESS:PORT: …").
class Connection {
 public:
  static Result<Connection> open(const SocketAddress& address, Instant deadline,
                                 const std::atomic<bool>* stop = nullptr);

  // To the Unix socket at a path to which secrets are sent. Only these may listen there: root, who
  // runs this, and the user to whom root has given the socket or a directory on the way to it
  // (HAProxy's, of /run/haproxy). Nobody is given what others may put there themselves. Errors,
  // besides: rejected, with who listens, or with a symlink of others.
  static Result<Connection> open_trusted(const std::string& path, Instant deadline,
                                         const std::atomic<bool>* stop = nullptr);

  // Not blocking.
  int fd() const { return socket_.get(); }

  // Until poll(2) sees one of `events`.
  Result<> wait(short events);

  Result<> send(std::string_view bytes);

  // `size` bytes of a file from `offset` on, moved by the kernel: they are never in this process's
  // memory. Errors, besides: invalid (the file ends before).
  Result<> send_file(const FileDescriptor& file, off_t offset, std::size_t size);

  // Until the other side closes, or `most` bytes.
  Result<std::string> receive(std::size_t most);

  // "connect to ADDRESS:PORT": what errors begin with.
  const std::string& attempt() const { return attempt_; }

 private:
  static Result<Connection> open(const SocketAddress& address, std::string attempt,
                                 Instant deadline, const std::atomic<bool>* stop);
  Connection(FileDescriptor socket, Instant deadline, const std::atomic<bool>* stop,
             std::string attempt)
      : socket_(std::move(socket)),
        deadline_(deadline),
        stop_(stop),
        attempt_(std::move(attempt)) {}
  std::unexpected<Error> failure(int code) const;

  FileDescriptor socket_;
  Instant deadline_;
  const std::atomic<bool>* stop_;
  std::string attempt_;
};

}  // namespace everseal::base
