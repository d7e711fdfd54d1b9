#include "app/streams.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/encoding.h"

namespace everseal::app {
namespace {

int failure = 0;  // errno of the first write to standard output that failed

}  // namespace

void hold_standard_streams() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (::fcntl(fd, F_GETFD) < 0 && errno == EBADF)
      static_cast<void>(::open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY));
}

void say(std::FILE* stream, std::string_view text) {
  say_as_is(stream, base::printable_lines(text));
}

void say_as_is(std::FILE* stream, std::string_view bytes) {
  errno = 0;
  const bool written = std::fwrite(bytes.data(), 1, bytes.size(), stream) == bytes.size();
  if ((!written || std::fflush(stream) != 0) && stream == stdout && failure == 0)
    failure = errno != 0 ? errno : EIO;
}

Result<> check_standard_output() {
  if (failure == 0) return {};
  return base::system_error("write to standard output", failure);
}

}  // namespace everseal::app
