// The intermediates' keys in a process that does nothing but sign, so that the one that reads what
// strangers send never has them.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/result.h"
#include "ca/issuer.h"
#include "privsep/channel.h"

namespace everseal::ca {

// Move-only; the process ends with it.
class KeyProcess {
 public:
  // Forks a process that opens the Issuer of `directory`, making what is missing, gives up every
  // right but to answer, and waits for what is to be signed. To be called while there is one
  // thread. Errors: those of Issuer::open(); internal.
  static Result<KeyProcess> start(FileSystem& files, const std::string& directory, Time now);
  KeyProcess(KeyProcess&&) noexcept;
  ~KeyProcess();

  // The issuer whose keys it holds; must not outlive it. Errors: those of files.
  Result<Issuer> issuer() const;

  pid_t pid() const { return pid_; }

  // Can be read once the process has ended.
  int watched() const { return line_->socket().get(); }
  bool is_alive() const;

 private:
  KeyProcess(const FileSystem& files, std::string directory, pid_t pid, privsep::Channel line);

  const FileSystem* files_;
  std::string directory_;
  pid_t pid_;
  std::unique_ptr<privsep::Channel> line_;  // does not move: the issuer's keys refer to it
};

}  // namespace everseal::ca
