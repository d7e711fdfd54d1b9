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

// Port 80 first: it is root's. What remains afterwards: taking connections on it, and the channel.
Result<http::Server> listen_and_lock_in(const RoleOptions& options) {
  http::Server server = TRY(http::Server::listen(kHttpPort));
  TRY(give_up_rights(options.identity));
  TRY(confine({.system_calls = SystemCalls::accept}, options.strictness));
  return server;
}

}  // namespace

Result<> run_edge(const Channel& monitor, const RoleOptions& options) {
  auto server = listen_and_lock_in(options);
  if (!server) return say_ready(monitor, std::unexpected(server.error()));
  TRY(say_ready(monitor, {}));
  challenge::StandaloneResponder responder(*std::move(server));
  EdgeService service(responder);
  for (;;) {
    responder.serve_until(monitor.socket());
    TRY(serve_one<EdgeRequest>(monitor, service));
  }
}

}  // namespace everseal::privsep
