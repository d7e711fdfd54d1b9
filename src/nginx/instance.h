// The nginx that runs on this machine: asked, tested, reloaded; never started or restarted.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/command_runner.h"
#include "base/file_system.h"
#include "nginx/gate.h"
#include "nginx/version.h"

namespace everseal::nginx {

// Where to look; empty fields are found out.
struct InstanceOptions {
  std::string binary = "nginx";
  std::string config_path;  // empty: the compiled-in --conf-path
};

// One nginx installation with one configuration. `runner` and `reader` must outlive it.
class Instance {
 public:
  // Runs `nginx -V`. Errors: not_found (no such program), invalid (not nginx's answer).
  static Result<Instance> find(CommandRunner& runner, const FileReader& reader,
                               const InstanceOptions& options);

  const std::string& binary() const { return binary_; }
  const std::string& config_path() const { return config_path_; }
  const Version& version() const { return version_; }
  const Version& openssl() const { return openssl_; }  // the one it runs with; 0.0.0 without TLS
  const std::string& pid_path() const { return pid_path_; }  // compiled-in; `pid` overrides it

  // The main error log, by `error_log` or compiled in; empty if it is no file.
  std::string error_log_path() const;

  // From now on nginx is run that way, for a master that belongs to root while we do not. sudo must
  // allow exactly these two commands; the socket has its own.
  void go_through(Gate gate) { gate_ = gate; }
  bool is_ours() const { return gate_ == Gate::none; }
  std::vector<std::string> test_command() const { return {binary_, "-t", "-c", config_path_}; }
  std::vector<std::string> reload_command() const {
    return {binary_, "-s", "reload", "-c", config_path_};
  }

  // Runs `nginx -t`. Errors: invalid, with nginx's own words and FILE:LINE; those of the gate.
  Result<> test() const;

  // The pid of the running master, from the `pid` directive or the compiled-in path, checked to be
  // an nginx master that lives. Errors: not_found, if the pid file is missing or stale, and only
  // then; invalid if the configuration cannot be read, rejected if the process is hidden from us.
  Result<pid_t> master() const;

  // Whether there is a master. Errors: whatever keeps this from being known, as above.
  Result<bool> is_running() const;

  // Sends SIGHUP to the master. Errors: those of master() and of the gate.
  Result<> reload() const;

  // The pids of all children of that master, sorted: also of a worker that has not yet named
  // itself. Errors: those of listing /proc.
  Result<std::vector<pid_t>> children(pid_t master) const;

  // Of those the workers that are not shutting down. Errors: as above.
  Result<std::vector<pid_t>> workers(pid_t master) const;

  // Of those the workers that are: they serve what was open when the configuration changed. Errors:
  // as above.
  Result<std::vector<pid_t>> leaving_workers(pid_t master) const;

  // The masters that listen on the same sockets as this one, which the pid file names: the one
  // before it in an upgrade of the binary that was begun (nginx.org, "Upgrading Executable on the
  // Fly") and not ended. Errors: none.
  Result<std::vector<pid_t>> other_masters(pid_t master) const;

 private:
  Instance(CommandRunner& runner, const FileReader& reader) : runner_(&runner), reader_(&reader) {}
  Result<std::string> pid_file() const;

  CommandRunner* runner_;
  const FileReader* reader_;
  std::string binary_;
  std::string config_path_;
  std::string pid_path_;
  std::string error_log_path_;
  std::string prefix_;
  Gate gate_ = Gate::none;
  Version version_{};
  Version openssl_{};
};

// The outcome of `nginx -t`, as test() gives it: nothing, or the lines that say what is wrong.
Result<> read_test_output(int exit_status, std::string_view output);

}  // namespace everseal::nginx
