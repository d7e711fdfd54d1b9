#include "ca/validation_authority.h"

#include <sys/eventfd.h>

#include <utility>

#include "ca/caa.h"
#include "ca/dns01.h"
#include "ca/http01.h"
#include "ca/tls_alpn01.h"

namespace everseal::ca {
namespace {

Proven<> prove(const ValidationContext& context) {
  switch (context.validation.type) {
    case ChallengeType::http_01:
      return prove_http_01(context);
    case ChallengeType::dns_01:
      return prove_dns_01(context);
    case ChallengeType::tls_alpn_01:
      return prove_tls_alpn_01(context);
  }
  std::unreachable();
}

}  // namespace

Proven<> validate(const ValidationContext& context) {
  if (context.validation.scope == Scope::challenge_and_caa) TRY(prove(context));
  return check_caa(context);
}

ValidationAuthority::ValidationAuthority(ValidationSettings settings, dns::Resolver& resolver)
    : settings_(std::move(settings)),
      resolver_(resolver),
      event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      queue_(settings_.at_work) {
  for (std::size_t i = 0; i < settings_.at_work.all; i++) threads_.emplace_back([this] { work(); });
}

ValidationAuthority::~ValidationAuthority() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& each : threads_) each.join();
}

void ValidationAuthority::start(std::uint64_t id, Validation validation) {
  const std::lock_guard lock(mutex_);
  queue_.push({id, std::move(validation)});
  wake_.notify_one();
}

std::vector<ValidationOutcome> ValidationAuthority::finished() {
  const std::lock_guard lock(mutex_);
  eventfd_t count = 0;
  ::eventfd_read(event_.get(), &count);
  return std::exchange(finished_, {});
}

std::optional<acme::Problem> ValidationAuthority::run(const ValidationTask& task) const {
  const auto proven =
      validate({.validation = task.validation,
                .settings = settings_,
                .resolver = resolver_,
                .deadline = std::chrono::steady_clock::now() + settings_.total_timeout});
  return proven ? std::nullopt : std::optional(proven.error());
}

// Where one ends at most one that waits gets room, and this thread takes it: no other is woken.
void ValidationAuthority::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    std::optional<ValidationTask> task;
    wake_.wait(lock, [&] { return stopping_ || (task = queue_.take()); });
    if (stopping_) return;
    lock.unlock();
    ValidationOutcome outcome{.id = task->id, .problem = run(*task)};
    lock.lock();
    queue_.end(task->validation.requester);
    finished_.push_back(std::move(outcome));
    ::eventfd_write(event_.get(), 1);
  }
}

}  // namespace everseal::ca
