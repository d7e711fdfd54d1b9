// The real Validator: asks the domain name system and the servers themselves.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "base/file_descriptor.h"
#include "ca/validation_context.h"
#include "ca/validator.h"
#include "dns/resolver.h"

namespace everseal::ca {

// Validates on a fixed number of threads. Each validation ends by settings.total_timeout, one that
// waits for a thread after those before it. What does not fit into the queue ends at once, as
// serverInternal.
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
  struct Task {
    std::uint64_t id;
    Validation validation;
  };
  void work();
  void finish(ValidationOutcome outcome);

  const ValidationSettings settings_;
  dns::Resolver& resolver_;
  const base::FileDescriptor event_;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Task> waiting_;
  std::vector<ValidationOutcome> finished_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

// One validation: the challenge, if it is looked at, then CAA. The process ignores SIGPIPE.
Proven<> validate(const ValidationContext& context);

}  // namespace everseal::ca
