#include "base/command_runner.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>

#include "base/file_descriptor.h"
#include "base/trusted_file.h"

namespace everseal::base {
namespace {

constexpr std::size_t kMaxOutput = 1 << 20;
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

struct SpawnActions {
  posix_spawn_file_actions_t value;
  SpawnActions() { posix_spawn_file_actions_init(&value); }
  ~SpawnActions() { posix_spawn_file_actions_destroy(&value); }
};

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
  std::vector<std::string> environment = {fmt::format("PATH={}", kPath), "LANG=C.UTF-8"};
  environment.insert(environment.end(), command.environment.begin(), command.environment.end());
  pid_t pid = 0;
  const int code = posix_spawn(&pid, program.c_str(), &actions.value, nullptr,
                               pointers(command.arguments).data(), pointers(environment).data());
  if (code != 0) return system_error(fmt::format("start {}", program), code);
  return pid;
}

// Reads until the program and its children have closed the pipe, or the deadline. False: deadline.
bool collect(int pipe, Instant deadline, std::string& output) {
  char buffer[4096];
  while (true) {
    const auto left =
        std::chrono::duration_cast<Milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left <= Milliseconds(0)) return false;
    pollfd wait{pipe, POLLIN, 0};
    if (::poll(&wait, 1, static_cast<int>(left.count())) <= 0) continue;
    const ssize_t got = ::read(pipe, buffer, sizeof buffer);
    if (got == 0 || (got < 0 && errno != EINTR)) return true;
    if (got > 0 && output.size() < kMaxOutput) output.append(buffer, static_cast<std::size_t>(got));
  }
}

class RealCommandRunner : public CommandRunner {
 public:
  Result<CommandOutput> run(const Command& command) override {
    const std::string program = find_program(command.arguments.at(0));
    if (program.empty())
      return not_found(fmt::format("no program '{}' in {}", command.arguments[0], kPath));
    const TrustedFile trusted = TRY(within("not run", find_trusted(program)));
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return system_error("make a pipe", errno);
    const FileDescriptor output(ends[0]);
    FileDescriptor input(ends[1]);
    const pid_t pid = TRY(spawn(trusted.path, command, input.get()));
    input.reset();
    CommandOutput result;
    const bool closed =
        collect(output.get(), std::chrono::steady_clock::now() + command.timeout, result.output);
    if (!closed && ::kill(pid, SIGKILL) != 0)  // sudo runs as root
      return transient(fmt::format("{} did not end within {} s and runs on: {}", program,
                                   command.timeout.count(), ::strerrordesc_np(errno)));
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (!closed)
      return transient(fmt::format("{} did not end within {} s and was killed", program,
                                   command.timeout.count()));
    result.exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return result;
  }
};

}  // namespace

CommandRunner& real_command_runner() {
  static RealCommandRunner runner;
  return runner;
}

}  // namespace everseal::base
