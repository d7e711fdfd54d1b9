// The real Validator: asks the domain name system and the servers themselves.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/file_descriptor.h"
#include "ca/validation_context.h"
#include "ca/validation_queue.h"
#include "ca/validator.h"
#include "dns/resolver.h"

namespace everseal::ca {

// Validates on a fixed number of threads, in the order of a ValidationQueue. Each validation that
// has begun ends by settings.total_timeout.
class ValidationAuthority : public Validator {
 public:
  // `resolver` must outlive this.
  ValidationAuthority(ValidationSettings settings, dns::Resolver& resolver);

  // Forgets what waits, and waits for what is under way.
  ~ValidationAuthority() override;

  void start(std::uint64_t id, Validation validation) override;
  std::vector<ValidationOutcome> finished() override;
  int event() const override { return event_.get(); }

 private:
  void work();
  std::optional<acme::Problem> run(const ValidationTask& task) const;

  const ValidationSettings settings_;
  dns::Resolver& resolver_;
  const base::FileDescriptor event_;

  std::mutex mutex_;
  std::condition_variable wake_;
  ValidationQueue queue_;
  std::vector<ValidationOutcome> finished_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

// One validation: the challenge, if it is looked at, then CAA. The process ignores SIGPIPE.
Proven<> validate(const ValidationContext& context);

}  // namespace everseal::ca
