#include <poll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "privsep/keeper.h"
#include "privsep/messages.h"
#include "privsep/roles.h"
#include "privsep/service.h"

namespace everseal::privsep {
namespace {

// Two account keys and one other at a time, with all that OpenSSL computes beside them.
constexpr std::size_t kSecureBytes = 128 << 10;

using Files = std::span<const base::FileDescriptor>;

// The monitor's requests. The CA is named once, before all else; the account key is opened once.
class MonitorService {
 public:
  explicit MonitorService(Keeper& keeper) : keeper_(keeper) {}

  bool allows(const ask_keeper::UseCa&) const { return state_ == State::fresh; }
  bool allows(const ask_keeper::OpenAccountKey&) const { return state_ == State::has_ca; }
  bool allows(const ask_keeper::MakeAccountKey&) const { return state_ == State::has_ca; }
  bool allows(const ask_keeper::OpenNextKey&) const { return state_ == State::has_key; }
  bool allows(const ask_keeper::MakeNextKey&) const { return state_ == State::has_key; }
  bool allows(const ask_keeper::UseAccount&) const { return state_ == State::has_key; }
  bool allows(const ask_keeper::Choose&) const { return state_ == State::has_key; }
  bool allows(const ask_keeper::AllowKeyChange&) const { return state_ == State::has_key; }
  bool allows(const ask_keeper::AllowRegistration&) const { return state_ == State::has_key; }
  bool allows(const ask_keeper::MakeKey&) const { return state_ == State::has_key; }
  bool allows(const ask_keeper::OpenKey&) const { return state_ == State::has_key; }
  bool allows(const ask_keeper::UseRequest&) const { return state_ == State::has_key; }

  bool allows(const ask_keeper::ExamineKey&) const { return state_ == State::fresh; }

  Result<> handle(ask_keeper::UseCa& request, Files) {
    TRY(keeper_.use_ca(request.directory_url));
    state_ = State::has_ca;
    return {};
  }
  Result<std::string> handle(ask_keeper::OpenAccountKey&, Files files) {
    return keep(keeper_.open_account_key(*TRY(only_descriptor(files))));
  }
  Result<std::string> handle(ask_keeper::MakeAccountKey&, Files files) {
    return keep(keeper_.make_account_key(*TRY(only_descriptor(files))));
  }
  Result<std::string> handle(ask_keeper::OpenNextKey&, Files files) {
    return keeper_.open_next_key(*TRY(only_descriptor(files)));
  }
  Result<std::string> handle(ask_keeper::MakeNextKey&, Files files) {
    return keeper_.make_next_key(*TRY(only_descriptor(files)));
  }
  Result<> handle(ask_keeper::UseAccount& request, Files) {
    return keeper_.use_account(request.url);
  }
  Result<> handle(ask_keeper::Choose& request, Files) { return keeper_.choose(request.key); }
  Result<> handle(ask_keeper::AllowKeyChange&, Files) { return keeper_.allow_key_change(); }
  Result<> handle(ask_keeper::AllowRegistration& request, Files) {
    keeper_.allow_registration(std::move(request.registration));
    return {};
  }
  Result<std::string> handle(ask_keeper::MakeKey& request, Files files) {
    return keeper_.make_key(request.id, request.order, request.type, *TRY(only_descriptor(files)));
  }
  Result<std::string> handle(ask_keeper::OpenKey& request, Files files) {
    return keeper_.open_key(request.id, request.order, *TRY(only_descriptor(files)));
  }
  Result<> handle(ask_keeper::UseRequest& request, Files) {
    keeper_.use_request(request.id, request.order, std::move(request.request));
    return {};
  }

  Result<crypto::KeyInFile> handle(ask_keeper::ExamineKey&, Files files) {
    return crypto::DirectKeyExaminer().examine(*TRY(only_descriptor(files)));
  }

 private:
  enum class State { fresh, has_ca, has_key };

  Result<std::string> keep(Result<std::string> thumbprint) {
    if (thumbprint) state_ = State::has_key;
    return thumbprint;
  }

  Keeper& keeper_;
  State state_ = State::fresh;
};

// Net's one request. What it may have signed is the keeper's to say.
class NetService {
 public:
  explicit NetService(Keeper& keeper) : keeper_(keeper) {}
  bool allows(const Sign&) const { return true; }
  Result<std::string> handle(Sign& request, Files) {
    return keeper_.sign(request.header, request.payload);
  }

 private:
  Keeper& keeper_;
};

// Memory that is locked is never swapped. All of it where the limit can be lifted (as root with
// CAP_SYS_RESOURCE); else, and that must succeed, the heap that keys are in.
Result<> lock_memory() {
  const rlimit all{RLIM_INFINITY, RLIM_INFINITY};
  if (::setrlimit(RLIMIT_MEMLOCK, &all) == 0 &&
      ::mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0)
    return base::system_error("lock the memory", errno);
  return crypto::use_secure_heap(kSecureBytes);
}

}  // namespace

// What remains, and why: descriptors that the monitor hands over (keys are read from and written to
// them), the two channels, memory and random bytes.
Result<> lock_in_keeper(const std::optional<Identity>& identity) {
  TRY(lock_memory());
  TRY(give_up_rights(identity));
  return confine({.system_calls = SystemCalls::messages});
}

// Net may go before the monitor does, never the other way. When it sends what it may not it is
// hung up on.
Result<> run_keeper(const Channel& monitor, const Channel& net, const RoleOptions& options) {
  TRY(say_ready(monitor, lock_in_keeper(options.identity), options.strictness));
  Keeper keeper;
  MonitorService for_monitor(keeper);
  NetService for_net(keeper);
  std::array<pollfd, 2> polled = {
      {{monitor.socket().get(), POLLIN, 0}, {net.socket().get(), POLLIN, 0}}};
  for (;;) {
    if (::poll(polled.data(), polled.size(), -1) < 0) continue;
    if (polled[0].revents != 0) TRY(serve_one<KeeperRequest>(monitor, for_monitor));
    if (polled[1].revents == 0 || serve_one<SignerRequest>(net, for_net)) continue;
    ::shutdown(net.socket().get(), SHUT_RDWR);
    polled[1].fd = -1;
  }
}

}  // namespace everseal::privsep
