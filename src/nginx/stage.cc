#include "nginx/stage.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "base/file_descriptor.h"
#include "base/trusted_file.h"

namespace everseal::nginx {
namespace {

using base::FileDescriptor;
using Mounts = std::vector<std::pair<std::string, std::string>>;  // copy, the path it stands for

constexpr int kNoNamespace = 125;  // exit status of a child that could not set the stage
constexpr std::chrono::seconds kTimeout{60};

// Copies of the staged files in a directory of their own, gone with it.
class Stage {
 public:
  Stage(FileSystem& files, std::string directory)
      : files_(files), directory_(std::move(directory)) {}
  ~Stage() { (void)base::remove_tree(files_, directory_); }
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

  Result<Mounts> fill(const StagedFiles& staged);

 private:
  Result<> copy_own(const StagedFiles& staged, const std::string& real);

  FileSystem& files_;
  std::string directory_;
};

// The whole of our directory: what is staged, and what is there and stays.
Result<> Stage::copy_own(const StagedFiles& staged, const std::string& real) {
  std::string copy = directory_ + "/own";
  TRY(files_.make_directory(copy, 0700));
  for (const auto& [path, text] : staged.texts) {
    if (base::directory_of(path) != real) continue;
    TRY(files_.create(base::join_path(copy, path.substr(real.size() + 1)), text, 0600));
  }
  for (const std::string& name : TRY(files_.list(real))) {
    std::string path = base::join_path(real, name);
    auto status = TRY(files_.status(path));
    if (staged.texts.contains(path) || staged.removed.contains(path)) continue;
    if (status.kind == base::FileKind::directory) continue;
    TRY(files_.create(base::join_path(copy, name), TRY(files_.read(path)), 0600));
  }
  return {};
}

Result<Mounts> Stage::fill(const StagedFiles& staged) {
  TRY(base::remove_tree(files_, directory_));
  TRY(files_.make_directory(directory_, 0700));
  Mounts mounts;
  std::string own;
  if (!staged.own_directory.empty()) {
    TRY(files_.make_directory(staged.own_directory, 0755));
    own = TRY(files_.real_path(staged.own_directory));
    TRY(copy_own(staged, own));
    mounts.emplace_back(directory_ + "/own", own);
  }
  std::map<std::string, std::string> texts = staged.texts;
  for (const std::string& path : staged.removed) texts.emplace(path, "");
  for (const auto& [path, text] : texts) {
    if (!own.empty() && base::directory_of(path) == own) continue;
    std::string copy = fmt::format("{}/{}", directory_, mounts.size());
    TRY(files_.create(copy, text, 0600));
    mounts.emplace_back(std::move(copy), path);
  }
  return mounts;
}

// Ends the child with the reason on its output, which the parent reads.
[[noreturn]] void give_up(const char* attempt) {
  const char* reason = ::strerrordesc_np(errno);
  for (const char* text : {attempt, ": ", reason}) {
    if (::write(STDOUT_FILENO, text, std::strlen(text)) < 0) break;
  }
  ::_exit(kNoNamespace);
}

void write_once(const char* path, const std::string& text) {
  int fd = ::open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0 || ::write(fd, text.data(), text.size()) < 0) give_up(path);
  ::close(fd);
}

// root may have a mount namespace; others get one inside a user namespace, where they are root.
void enter_namespace(const std::string& uid_map, const std::string& gid_map) {
  if (::unshare(CLONE_NEWNS) == 0) return;
  if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) give_up("make a private mount namespace");
  write_once("/proc/self/setgroups", "deny");
  write_once("/proc/self/uid_map", uid_map);
  write_once("/proc/self/gid_map", gid_map);
}

// The child: sets the stage and becomes nginx. Everything it uses was made before the fork.
[[noreturn]] void become_nginx(const Mounts& mounts, char* const* arguments, int output,
                               const std::string& uid_map, const std::string& gid_map) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // it is of no use without us
  ::setsid();                          // nor has it to do with our terminal
  int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  ::dup2(null, STDIN_FILENO);
  ::dup2(output, STDOUT_FILENO);
  ::dup2(output, STDERR_FILENO);
  enter_namespace(uid_map, gid_map);
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) give_up("mount / private");
  for (const auto& [copy, path] : mounts) {
    if (::mount(copy.c_str(), path.c_str(), nullptr, MS_BIND, nullptr) != 0) {
      give_up(path.c_str());
    }
  }
  if (::chdir("/") != 0) give_up("go to /");
  char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
  char lang[] = "LANG=C.UTF-8";
  char* environment[] = {path, lang, nullptr};
  ::execve(arguments[0], arguments, environment);
  give_up(arguments[0]);
}

// All that the child says until it closes its output; nothing if the time is over.
std::optional<std::string> read_all(int fd) {
  auto deadline = std::chrono::steady_clock::now() + kTimeout;
  std::string text;
  char buffer[4096];
  while (true) {
    auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd waiting{fd, POLLIN, 0};
    if (left.count() <= 0) return std::nullopt;
    int ready = ::poll(&waiting, 1, static_cast<int>(left.count()));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return std::nullopt;
    ssize_t count = ::read(fd, buffer, sizeof buffer);
    if (count <= 0) return text;
    text.append(buffer, static_cast<std::size_t>(count));
  }
}

Result<> run(const Instance& instance, const Mounts& mounts) {
  const auto nginx = TRY(base::within("not run", base::find_trusted(instance.binary())));
  std::vector<std::string> words = {nginx.path, "-t", "-c", instance.config_path()};
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  std::string uid_map = fmt::format("0 {} 1", ::getuid());
  std::string gid_map = fmt::format("0 {} 1", ::getgid());

  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return base::system_error("make a pipe", errno);
  FileDescriptor reading(ends[0]);
  FileDescriptor writing(ends[1]);
  pid_t child = ::fork();
  if (child < 0) return base::system_error("start nginx -t", errno);
  if (child == 0) become_nginx(mounts, arguments.data(), writing.get(), uid_map, gid_map);
  writing.reset();
  auto output = read_all(reading.get());
  if (!output) ::kill(child, SIGKILL);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return base::system_error("find out how nginx -t ended", errno);
  if (!output) return base::transient("nginx -t did not end within 60 seconds");
  int exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  if (exit_status == kNoNamespace) {
    return base::internal(
        fmt::format("nginx -t on staged files needs a private mount namespace: {}", *output));
  }
  return read_test_output(exit_status, *output);
}

}  // namespace

Result<> staged_test(const Instance& instance, FileSystem& files, const StagedFiles& staged) {
  Stage stage(files, base::join_path(staged.stage_directory, "test"));
  return run(instance, TRY(stage.fill(staged)));
}

}  // namespace everseal::nginx
