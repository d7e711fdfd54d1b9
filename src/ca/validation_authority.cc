#include "ca/validation_authority.h"

#include <fmt/format.h>
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

ValidationOutcome too_many(std::uint64_t id) {
  acme::Problem problem;
  problem.type = "serverInternal";
  problem.detail = "too many validations at once; try again later";
  problem.status = 503;
  return {.id = id, .problem = std::move(problem)};
}

}  // namespace

Proven<> validate(const ValidationContext& context) {
  if (context.validation.scope == Scope::challenge_and_caa) TRY(prove(context));
  return check_caa(context);
}

ValidationAuthority::ValidationAuthority(ValidationSettings settings, dns::Resolver& resolver)
    : settings_(std::move(settings)),
      resolver_(resolver),
      event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  for (std::size_t i = 0; i < settings_.threads; i++) threads_.emplace_back([this] { work(); });
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
  {
    const std::lock_guard lock(mutex_);
    if (waiting_.size() < settings_.most_waiting) {
      waiting_.push_back({id, std::move(validation)});
      wake_.notify_one();
      return;
    }
  }
  finish(too_many(id));
}

std::vector<ValidationOutcome> ValidationAuthority::finished() {
  const std::lock_guard lock(mutex_);
  eventfd_t count = 0;
  ::eventfd_read(event_.get(), &count);
  return std::exchange(finished_, {});
}

void ValidationAuthority::finish(ValidationOutcome outcome) {
  const std::lock_guard lock(mutex_);
  finished_.push_back(std::move(outcome));
  ::eventfd_write(event_.get(), 1);
}

void ValidationAuthority::work() {
  while (true) {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (stopping_) return;
    const Task task = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    const auto proven =
        validate({.validation = task.validation,
                  .settings = settings_,
                  .resolver = resolver_,
                  .deadline = std::chrono::steady_clock::now() + settings_.total_timeout});
    finish({.id = task.id, .problem = proven ? std::nullopt : std::optional(proven.error())});
  }
}

}  // namespace everseal::ca
