// Workers as processes of their own.
#pragma once

#include <memory>

#include "privsep/users.h"
#include "privsep/worker.h"
#include "privsep/workers.h"

namespace everseal::privsep {

// Starts a role when it is first asked for; what it started ends with it.
class ProcessWorkers : public Workers {
 public:
  // As root roles become other users; else all run as the user who runs this.
  ProcessWorkers(Strictness strictness, RunContext run);
  ~ProcessWorkers() override;

  Result<CaWorkers> open_ca(const std::string& directory_url,
                            const base::FileDescriptor& trusted) override;
  Result<crypto::Verifier*> verifier() override;
  Result<crypto::KeyExaminer*> key_examiner() override;
  Result<scan::Visitor*> visitor(std::span<const std::uint16_t> ports) override;
  Result<std::unique_ptr<scan::Scout>> scout() override;
  std::vector<std::string> users_to_make() const override;
  Result<> make_users(CommandRunner& commands) override;
  Result<> deliver(const notify::Delivery& delivery, const base::FileDescriptor& trusted) override;
  Result<std::unique_ptr<challenge::Responder>> standalone_responder() override;
  Result<std::unique_ptr<MetricsPage>> metrics_page(const base::SocketAddress& address) override;

 private:
  class VerifyProcess;
  class ExamineProcess;
  class VisitProcess;
  RoleOptions options(Role role);
  Result<Worker> start(Role role, const Channel* peer = nullptr);

  std::optional<Identities> identities_;
  const Strictness strictness_;
  const RunContext run_;
  std::unique_ptr<VerifyProcess> verifier_;
  std::unique_ptr<ExamineProcess> examiner_;
  std::unique_ptr<VisitProcess> visitor_;
};

}  // namespace everseal::privsep
