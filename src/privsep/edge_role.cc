#include "challenge/http01.h"
#include "privsep/messages.h"
#include "privsep/roles.h"
#include "privsep/service.h"

namespace everseal::privsep {
namespace {

using Files = std::span<const base::FileDescriptor>;

constexpr std::uint16_t kHttpPort = 80;  // RFC 8555 §8.3

// Both requests are always allowed.
class EdgeService {
 public:
  explicit EdgeService(challenge::StandaloneResponder& responder) : responder_(responder) {}
  bool allows(const ask_edge::Publish&) const { return true; }
  bool allows(const ask_edge::Retract&) const { return true; }

  Result<> handle(ask_edge::Publish& request, Files) {
    return responder_.publish(request.token, request.key_authorization);
  }
  Result<> handle(ask_edge::Retract& request, Files) {
    responder_.retract(request.token);
    return {};
  }

 private:
  challenge::StandaloneResponder& responder_;
};

}  // namespace

// What remains: taking connections on the listeners that it has, and the channel.
Result<> lock_in_edge(const std::optional<Identity>& identity) {
  TRY(give_up_rights(identity));
  return confine({.system_calls = SystemCalls::accept});
}

// Port 80 before all else: it is root's.
Result<> run_edge(const Channel& monitor, const RoleOptions& options) {
  auto server = http::Server::listen(kHttpPort);
  if (!server) return say_ready(monitor, std::unexpected(server.error()), Strictness::required);
  TRY(say_ready(monitor, lock_in_edge(options.identity), options.strictness));
  challenge::StandaloneResponder responder(*std::move(server));
  EdgeService service(responder);
  for (;;) {
    responder.serve_until(monitor.socket());
    TRY(serve_one<EdgeRequest>(monitor, service));
  }
}

}  // namespace everseal::privsep
