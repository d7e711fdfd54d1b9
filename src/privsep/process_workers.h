// Workers as processes of their own.
#pragma once

#include <memory>

#include "privsep/process.h"
#include "privsep/users.h"
#include "privsep/workers.h"

namespace everseal::privsep {

// Starts a role when it is first asked for; what it started ends with it.
class ProcessWorkers : public Workers {
 public:
  // `identities`: whom roles become; none: all run as the user who runs this. `stop` is set by a
  // signal: nobody is waited for longer than kTimeToStop from then on.
  ProcessWorkers(std::optional<Identities> identities, Strictness strictness,
                 const std::atomic<bool>* stop = nullptr);
  ~ProcessWorkers() override;

  Result<CaWorkers> open_ca(const std::string& directory_url,
                            const base::FileDescriptor& trusted) override;
  Result<crypto::Verifier*> verifier() override;
  Result<scan::Visitor*> visitor(std::span<const std::uint16_t> ports) override;
  Result<std::unique_ptr<challenge::Responder>> standalone_responder() override;

 private:
  class VerifyProcess;
  class VisitProcess;
  RoleOptions options(Role role) const;

  const std::optional<Identities> identities_;
  const Strictness strictness_;
  const std::atomic<bool>* const stop_;
  std::unique_ptr<VerifyProcess> verifier_;
  std::unique_ptr<VisitProcess> visitor_;
};

}  // namespace everseal::privsep
