#include "privsep/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#include "base/spawn.h"

namespace everseal::privsep {
namespace {

constexpr const char* kSelf = "/proc/self/exe";
constexpr std::string_view kRequired = "required", kRelaxed = "relaxed", kSameUser = "-";

using base::SpawnActions, base::SpawnAttributes;

// Copies beyond the numbers that the child will use, so that none overwrites another.
Result<std::vector<base::FileDescriptor>> out_of_the_way(std::span<const Channel* const> channels) {
  std::vector<base::FileDescriptor> copies;
  for (const Channel* channel : channels) {
    copies.emplace_back(::fcntl(channel->socket().get(), F_DUPFD_CLOEXEC, 10));
    if (!copies.back()) return base::system_error("copy a descriptor", errno);
  }
  return copies;
}

Result<Identity> parse_identity(std::string_view text) {
  const std::size_t colon = text.find(':');
  Identity identity;
  if (colon != text.npos) {
    const char* const end = text.data() + text.size();
    const auto user = std::from_chars(text.data(), text.data() + colon, identity.user);
    const auto group = std::from_chars(text.data() + colon + 1, end, identity.group);
    if (user.ec == std::errc() && user.ptr == text.data() + colon && group.ec == std::errc() &&
        group.ptr == end)
      return identity;
  }
  return base::invalid("a role without a user");
}

}  // namespace

std::vector<std::string> role_arguments(Role role, const RoleOptions& options) {
  const auto& identity = options.identity;
  std::vector<std::string> words = {
      "everseal", "role", std::string(to_string(role)),
      identity ? fmt::format("{}:{}", identity->user, identity->group) : std::string(kSameUser),
      std::string(options.strictness == Strictness::required ? kRequired : kRelaxed)};
  if (options.metrics) words.push_back(options.metrics->to_string());
  if (!options.probe) return words;
  words.push_back(options.probe->attempt);
  words.push_back(std::to_string(options.probe->sibling));
  return words;
}

Result<RoleCommand> parse_role_arguments(std::span<const char* const> arguments) {
  if (arguments.size() < 5 || arguments.size() > 7)
    return base::invalid("roles are started by everseal itself");
  RoleCommand command;
  command.role = TRY(parse_role(arguments[2]));
  if (arguments[3] != kSameUser) command.options.identity = TRY(parse_identity(arguments[3]));
  if (arguments[4] == kRelaxed) command.options.strictness = Strictness::relaxed;
  if (arguments.size() == 6)
    command.options.metrics = TRY(base::SocketAddress::parse(arguments[5]));
  if (arguments.size() == 7)
    command.options.probe = {arguments[5], static_cast<pid_t>(std::atoi(arguments[6]))};
  return command;
}

Result<Process> Process::start(Role role, const RoleOptions& options,
                               std::span<const Channel* const> channels) {
  const auto copies = TRY(out_of_the_way(channels));
  SpawnActions actions;
  for (const int standard : {0, 1, 2})
    posix_spawn_file_actions_addopen(&actions.value, standard, "/dev/null", O_RDWR, 0);
  for (std::size_t i = 0; i < copies.size(); ++i)
    posix_spawn_file_actions_adddup2(&actions.value, copies[i].get(),
                                     kMonitorDescriptor + static_cast<int>(i));
  actions.leave_surroundings(kMonitorDescriptor + static_cast<int>(copies.size()));
  SpawnAttributes attributes;
  attributes.start_afresh();
  std::vector<std::string> words = role_arguments(role, options);
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  std::string language = "LANG=C.UTF-8";
  std::array<char*, 2> environment = {language.data(), nullptr};
  pid_t pid = 0;
  const int code = posix_spawn(&pid, kSelf, &actions.value, &attributes.value, arguments.data(),
                               environment.data());
  if (code != 0)
    return base::system_error(fmt::format("start the {} process", to_string(role)), code);
  return Process(pid);
}

void Process::signal(int number) const {
  if (pid_ > 0) ::kill(pid_, number);
}

std::optional<int> Process::wait_for_end() {
  int status = 0;
  pid_t ended = 0;
  const Instant deadline = std::chrono::steady_clock::now() + base::Seconds(1);
  while ((ended = ::waitpid(pid_, &status, WNOHANG)) == 0 &&
         std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(base::Milliseconds(1));
  if (ended == 0) end();
  pid_ = 0;
  return ended > 0 ? std::optional(status) : std::nullopt;
}

std::string describe_end(const std::optional<int>& status) {
  if (!status) return "does not answer";
  if (WIFSIGNALED(*status))
    return fmt::format("was ended by signal {} ({})", WTERMSIG(*status),
                       ::sigdescr_np(WTERMSIG(*status)));
  if (WEXITSTATUS(*status) == kNoMemoryStatus) return "had no memory left";
  return fmt::format("ended with status {}", WEXITSTATUS(*status));
}

// It has nothing to tidy up: what it holds goes with its memory.
void Process::end() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = 0;
}

}  // namespace everseal::privsep
