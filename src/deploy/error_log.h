// What nginx's master says of itself in its error log: a reload has no other answer.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace everseal::deploy {

// The error log from a moment on. Where it cannot be read (another user, syslog) it says nothing.
class ErrorLog {
 public:
  // From the present end of `path` on; `master` is the process whose lines count.
  ErrorLog(std::string path, pid_t master);

  // Of no file: it says nothing.
  ErrorLog() = default;

  // Whether there is a log that can be read.
  bool is_readable() const;

  // What the master has said at level emerg or alert since: the words of each line, each once.
  std::vector<std::string> complaints() const;

 private:
  std::string path_;
  pid_t master_ = 0;
  off_t begin_ = 0;  // bytes
};

// The complaints in a piece of an error log, as nginx writes it (ngx_log_error_core):
// "YYYY/MM/DD HH:MM:SS [LEVEL] PID#TID: WORDS".
std::vector<std::string> complaints_of(const std::string& log, pid_t master);

// Whether one of the complaints is that this worker has died: by a signal, or of an error
// (ngx_process_get_status()). One that another reload has sent away is none.
bool tells_death_of(std::span<const std::string> complaints, pid_t worker);

// Whether the complaint means that a reload has failed for good. A bind() that fails is tried again
// five times (ngx_open_listening_sockets), so that alone it does not.
bool is_final(const std::string& complaint);

}  // namespace everseal::deploy
