#include "privsep/messages.h"
#include "privsep/roles.h"
#include "privsep/service.h"

namespace everseal::privsep {
namespace {

using Files = std::span<const base::FileDescriptor>;

// All requests are always allowed: nothing is remembered between them.
class VerifyService {
 public:
  bool allows(const ask_verify::Verify&) const { return true; }
  bool allows(const ask_verify::Inspect&) const { return true; }
  bool allows(const ask_verify::ReadRequest&) const { return true; }

  Result<crypto::EncodedChain> handle(ask_verify::Verify& request, Files) {
    return verifier_.verify(request.pem, request.expected);
  }
  Result<crypto::LeafFacts> handle(ask_verify::Inspect& request, Files) {
    return verifier_.inspect(request.pem);
  }
  Result<crypto::RequestFacts> handle(ask_verify::ReadRequest& request, Files) {
    return verifier_.read_request(request.bytes);
  }

 private:
  crypto::DirectVerifier verifier_;
};

}  // namespace

// What remains: the channel and memory.
Result<> lock_in_verify(const std::optional<Identity>& identity) {
  TRY(give_up_rights(identity));
  return confine({.system_calls = SystemCalls::messages});
}

Result<> run_verify(const Channel& monitor, const RoleOptions& options) {
  TRY(say_ready(monitor, lock_in_verify(options.identity), options.strictness));
  VerifyService service;
  for (;;) TRY(serve_one<VerifyRequest>(monitor, service));
}

}  // namespace everseal::privsep
