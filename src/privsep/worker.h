// A role process as the monitor sees it.
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "privsep/process.h"
#include "privsep/wire.h"

namespace everseal::privsep {

// How long a role may take for one answer that needs no network: one that was stopped for a minute
// still counts as alive.
inline constexpr base::Milliseconds kAnswerTime{120'000};

// What a worker needs to know of the run that it is for.
struct RunContext {
  std::function<void(const std::string& line)> tell;  // hears what a person should read
  const std::atomic<bool>* stop = nullptr;            // set by a signal: do not wait any longer
};

// A process and the channel to it. Once it fails it is gone, and every further call says why: what
// a role is cannot be mended by asking again. Move-only.
class Worker {
 public:
  // `peer` is handed over beside the monitor's channel. `run.tell` hears, once the role has begun,
  // what is missing of its sandbox. The role is not waited for.
  static Result<Worker> start(Role role, const RoleOptions& options, RunContext run,
                              const Channel* peer = nullptr);

  // Sends a request and waits for its answer. Errors: the role's own; transient "the keeper process
  // was ended by signal 9 (Killed) …" if there is none, and "stopped by a signal …".
  template <class Requests, class Request>
  Result<typename Request::Answer> call(const Request& request,
                                        base::Milliseconds patience = kAnswerTime,
                                        const base::FileDescriptor* file = nullptr) {
    TRY(send(encode(Requests(request)), file));
    return read<typename Request::Answer>(patience);
  }

  // Sends a request without waiting even for the role to be ready; its answer, a Result<>, is
  // looked at before the next one's.
  template <class Requests, class Request>
  Result<> post(const Request& request, const base::FileDescriptor* file = nullptr) {
    if (failure_) return std::unexpected(*failure_);
    if (auto sent = channel_.send(encode(Requests(request)), file); !sent) {
      TRY(settle());  // it may have said why
      return std::unexpected(lost(sent.error()));
    }
    ++posted_;
    return {};
  }

  // The next message as an answer.
  template <class Answer>
  Result<Answer> read(base::Milliseconds patience) {
    const std::string bytes = TRY(receive(patience));
    auto answer = decode<Result<Answer>>(bytes);
    if (!answer) return std::unexpected(lost(answer.error()));
    if (!*answer) make_printable(answer->error());
    return *std::move(answer);
  }

  // One message without a request before it. Errors: as call().
  Result<> send(std::string_view bytes, const base::FileDescriptor* file = nullptr);
  Result<std::string> receive(base::Milliseconds patience);

  // True if a message is there before `deadline`; a signal may make it return early.
  bool wait(Instant deadline) const { return channel_.wait(deadline); }

  void signal(int number) const { process_.signal(number); }

  // Where this process ends for want of `keeper`, its failure is the keeper's. `keeper` must
  // outlive it.
  void need(Worker& keeper) { keeper_ = &keeper; }

  // Ends the process for breaking the rules; gives the failure that every call gives from now on.
  Error lost(const Error& why);

 private:
  // It may quote what strangers sent.
  static void make_printable(Error& error);

  Worker(Role role, Process process, Channel channel, RunContext run)
      : role_(role),
        process_(std::move(process)),
        channel_(std::move(channel)),
        run_(std::move(run)) {}
  Error stopped();
  Result<> settle();
  Result<> check_posted();
  Result<std::string> take(base::Milliseconds patience);

  Role role_;
  Process process_;
  Channel channel_;
  RunContext run_;
  Worker* keeper_ = nullptr;
  bool ready_ = false;
  int posted_ = 0;
  std::optional<Error> failure_;
};

}  // namespace everseal::privsep
