#include "base/command_runner.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>

#include "base/file_descriptor.h"
#include "base/spawn.h"
#include "base/stop.h"
#include "base/trusted_file.h"

namespace everseal::base {
namespace {

constexpr std::size_t kMaxOutput = 1 << 20;
constexpr Seconds kTimeToEnd{5};  // between SIGTERM and SIGKILL
constexpr Milliseconds kTick{100};
constexpr const char* kPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

std::string find_program(const std::string& name) {
  if (name.contains('/')) return name;
  std::string_view rest = kPath;
  while (!rest.empty()) {
    const std::size_t colon = std::min(rest.find(':'), rest.size());
    const std::string candidate = fmt::format("{}/{}", rest.substr(0, colon), name);
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
    rest.remove_prefix(std::min(colon + 1, rest.size()));
  }
  return {};
}

// A file in memory with these bytes, at its beginning: unlike a pipe it never has to wait for its
// reader.
Result<FileDescriptor> file_of(std::string_view bytes) {
  FileDescriptor file(::memfd_create("input", MFD_CLOEXEC));
  if (!file) return system_error("make a file in memory", errno);
  TRY(write_all(file, bytes, "write to memory"));
  if (::lseek(file.get(), 0, SEEK_SET) != 0) return system_error("go back in a file", errno);
  return file;
}

std::vector<char*> pointers(const std::vector<std::string>& words) {
  std::vector<char*> all;
  for (const std::string& word : words) all.push_back(const_cast<char*>(word.c_str()));
  all.push_back(nullptr);
  return all;
}

Result<pid_t> spawn(const std::string& program, const Command& command, int output) {
  SpawnActions actions;
  const FileDescriptor input = TRY(file_of(command.input));
  posix_spawn_file_actions_adddup2(&actions.value, input.get(), 0);
  posix_spawn_file_actions_adddup2(&actions.value, output, 1);
  posix_spawn_file_actions_adddup2(&actions.value, output, 2);
  actions.leave_surroundings(STDERR_FILENO + 1);
  std::vector<std::string> environment = {fmt::format("PATH={}", kPath), "LANG=C.UTF-8"};
  environment.insert(environment.end(), command.environment.begin(), command.environment.end());
  SpawnAttributes attributes;
  attributes.start_afresh();
  pid_t pid = 0;
  const int code = posix_spawn(&pid, program.c_str(), &actions.value, &attributes.value,
                               pointers(command.arguments).data(), pointers(environment).data());
  if (code != 0) return system_error(fmt::format("start {}", program), code);
  return pid;
}

// A program that was started, with what it says. Its process group ends with it where it is ended.
class Running {
 public:
  Running(pid_t pid, FileDescriptor output) : pid_(pid), output_(std::move(output)) {
    running_group = pid;
  }
  ~Running() { running_group = 0; }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

  enum class Why { ended, late, stopped };

  // Reads what it says until it has ended. A child of its own that goes on is not waited for.
  Result<Why> collect(const Command& command, std::string& output);

  // The exit status. Errors: internal, if it may not be ended (sudo runs as root).
  Result<int> end();
  Result<int> wait();

 private:
  Result<bool> has_ended() const;
  bool read_some(Milliseconds time, std::string& output);

  pid_t pid_;
  FileDescriptor output_;
};

// A child that is gone has left its number to others: it is not to be signalled.
std::unexpected<Error> unknown_end(int code) {
  return internal(system_error("find out how it ended", code).error().message);
}

bool is_to_stop(const Command& command) { return command.on_stop == OnStop::end && stop_requested; }

// It is not waited for yet: its number, and that of its group, stay its own.
Result<bool> Running::has_ended() const {
  siginfo_t info{};
  if (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0)
    return info.si_pid != 0;
  if (errno == EINTR) return false;
  return unknown_end(errno);
}

// Whether it said something within the time.
bool Running::read_some(Milliseconds time, std::string& output) {
  if (!output_) {
    std::this_thread::sleep_for(time);
    return false;
  }
  pollfd wait{output_.get(), POLLIN, 0};
  if (::poll(&wait, 1, static_cast<int>(time.count())) <= 0) return false;
  char buffer[4096];
  const ssize_t got = ::read(output_.get(), buffer, sizeof buffer);
  if (got == 0 || (got < 0 && errno != EINTR)) output_.reset();
  if (got > 0 && output.size() < kMaxOutput) output.append(buffer, static_cast<std::size_t>(got));
  return got > 0;
}

Result<Running::Why> Running::collect(const Command& command, std::string& output) {
  const Instant deadline = std::chrono::steady_clock::now() + command.timeout;
  Milliseconds pause{1};  // once it has nothing more to say it ends soon
  while (std::chrono::steady_clock::now() < deadline) {
    if (is_to_stop(command)) return Why::stopped;
    const bool said = read_some(output_ ? kTick : pause, output);
    if (!said && TRY(has_ended())) return Why::ended;
    if (!output_) pause = std::min(2 * pause, kTick);
  }
  return Why::late;
}

Result<int> Running::end() {
  if (::kill(-pid_, SIGTERM) != 0 && errno == EPERM) return internal(::strerrordesc_np(EPERM));
  const Instant deadline = std::chrono::steady_clock::now() + kTimeToEnd;
  while (!TRY(has_ended()) && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(kTick);
  ::kill(-pid_, SIGKILL);
  return wait();
}

Result<int> Running::wait() {
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0)
    if (errno != EINTR) return unknown_end(errno);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

class RealCommandRunner : public CommandRunner {
 public:
  Result<CommandOutput> run(const Command& command) override {
    const std::string program = find_program(command.arguments.at(0));
    if (program.empty())
      return not_found(fmt::format("no program '{}' in {}", command.arguments[0], kPath));
    if (is_to_stop(command))
      return transient(fmt::format("{} was not started: a signal asked us to end", program));
    const TrustedFile trusted = TRY(within("not run", find_trusted(program)));
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return system_error("make a pipe", errno);
    FileDescriptor output(ends[0]);
    FileDescriptor input(ends[1]);
    Running running(TRY(spawn(trusted.path, command, input.get())), std::move(output));
    input.reset();
    CommandOutput result;
    const auto why = TRY(within(program, running.collect(command, result.output)));
    if (why == Running::Why::ended) {
      result.exit_status = TRY(within(program, running.wait()));
      return result;
    }
    const bool is_stopped = why == Running::Why::stopped;
    const std::string late = fmt::format("did not end within {} s", command.timeout.count());
    if (const auto ended = running.end(); !ended)
      return transient(fmt::format("{} {} and runs on: {}", program,
                                   is_stopped ? "was to end, as a signal asked us to," : late,
                                   ended.error().message));
    return transient(
        fmt::format("{} {}", program,
                    is_stopped ? "was ended: a signal asked us to end" : late + " and was killed"));
  }
};

}  // namespace

CommandRunner& real_command_runner() {
  static RealCommandRunner runner;
  return runner;
}

}  // namespace everseal::base
