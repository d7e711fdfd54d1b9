#include "privsep/worker.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "base/encoding.h"
#include "privsep/messages.h"

namespace everseal::privsep {
namespace {

constexpr base::Milliseconds kStopLatency{200};

}  // namespace

Result<Worker> Worker::start(Role role, const RoleOptions& options, RunContext run,
                             const Channel* peer) {
  auto [ours, theirs] = TRY(Channel::make_pair());
  std::vector<const Channel*> channels = {&theirs};
  if (peer) channels.push_back(peer);
  return Worker(role, TRY(Process::start(role, options, channels)), std::move(ours),
                std::move(run));
}

void Worker::make_printable(Error& error) {
  constexpr std::size_t kMostBytes = 2000;
  error.message = base::printable(error.message, kMostBytes);
}

Error Worker::lost(const Error& why) {
  if (failure_) return *failure_;
  const std::string role(to_string(role_));
  if (why.kind == ErrorKind::rejected) {
    process_.signal(SIGKILL);
    failure_ = Error{ErrorKind::internal,
                     fmt::format("the {} process was stopped: it sent {}", role, why.message)};
  } else {
    const std::optional<int> status = process_.wait_for_end();
    if (keeper_ && status && WIFEXITED(*status) && WEXITSTATUS(*status) == kKeeperGoneStatus)
      return *(failure_ = keeper_->lost(why));
    failure_ = Error{ErrorKind::transient,
                     fmt::format("the {} process {}; run again, what was begun is resumed", role,
                                 describe_end(status))};
  }
  process_ = {};
  return *failure_;
}

// Its answer may still come and would be taken for another's: it is not asked again.
Error Worker::stopped() {
  process_ = {};
  failure_ =
      Error{ErrorKind::transient, "stopped by a signal; run again, what was begun is resumed"};
  return *failure_;
}

Result<std::string> Worker::take(base::Milliseconds patience) {
  if (failure_) return std::unexpected(*failure_);
  const Instant deadline = std::chrono::steady_clock::now() + patience;
  while (!channel_.wait(std::min(deadline, std::chrono::steady_clock::now() + kStopLatency))) {
    if (run_.stop && *run_.stop) return std::unexpected(stopped());
    if (std::chrono::steady_clock::now() >= deadline)
      return std::unexpected(lost({ErrorKind::transient, "no answer in time"}));
  }
  auto packet = channel_.receive();
  if (!packet) return std::unexpected(lost(packet.error()));
  if (!packet->descriptors.empty())
    return std::unexpected(lost({ErrorKind::rejected, "a descriptor that nobody wants"}));
  return std::move(packet->bytes);
}

// The first message of a role.
Result<> Worker::settle() {
  if (ready_) return {};
  const std::string bytes = TRY(take(kAnswerTime));
  auto ready = decode<Ready>(bytes);
  if (!ready) return std::unexpected(lost(ready.error()));
  ready_ = true;
  for (const std::string& note : ready->notes)
    run_.tell(fmt::format("the {} process is not locked in: {}", to_string(role_),
                          base::printable(note)));
  if (!ready->result)
    failure_ = std::move(ready->result)
                   .error()
                   .within(fmt::format("lock in the {} process", to_string(role_)));
  if (failure_) return std::unexpected(*failure_);
  return {};
}

Result<> Worker::check_posted() {
  TRY(settle());
  for (; posted_ > 0; --posted_) {
    const std::string bytes = TRY(take(kAnswerTime));
    auto answer = decode<Result<>>(bytes);
    if (!answer) return std::unexpected(lost(answer.error()));
    if (!*answer) {
      make_printable(answer->error());
      failure_ = std::move(*answer).error();
      return std::unexpected(*failure_);
    }
  }
  return {};
}

Result<> Worker::send(std::string_view bytes, const base::FileDescriptor* file) {
  TRY(check_posted());
  if (bytes.size() > kMostMessageBytes)
    return base::invalid(
        fmt::format("the message for the {} process is too large", to_string(role_)));
  if (auto sent = channel_.send(bytes, file); !sent) return std::unexpected(lost(sent.error()));
  return {};
}

Result<std::string> Worker::receive(base::Milliseconds patience) {
  TRY(check_posted());
  return take(patience);
}

}  // namespace everseal::privsep
