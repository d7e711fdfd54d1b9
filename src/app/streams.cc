#include "app/streams.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/encoding.h"

namespace everseal::app {
namespace {

int failure = 0;              // errno of the first write to standard output that failed
std::FILE* end_of = nullptr;  // the terminal on which lines are kept at the end
std::ptrdiff_t kept = 0;      // how many

void write(std::FILE* stream, std::string_view bytes) {
  errno = 0;
  const bool written = std::fwrite(bytes.data(), 1, bytes.size(), stream) == bytes.size();
  if ((!written || std::fflush(stream) != 0) && stream == stdout && failure == 0)
    failure = errno != 0 ? errno : EIO;
}

void take_away_kept() {
  if (kept > 0) write(end_of, fmt::format("\x1b[{}A\x1b[J", std::exchange(kept, 0)));
}

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
  take_away_kept();
  write(stream, bytes);
}

void keep_at_end(std::FILE* terminal, std::string_view lines) {
  take_away_kept();
  end_of = terminal;
  kept = std::ranges::count(lines, '\n');
  write(terminal, lines);
}

Result<> check_standard_output() {
  if (failure == 0) return {};
  return base::system_error("write to standard output", failure);
}

}  // namespace everseal::app
