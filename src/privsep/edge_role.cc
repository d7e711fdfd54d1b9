#include "base/file_descriptor.h"
#include "challenge/http01.h"
#include "http/server.h"
#include "privsep/messages.h"
#include "privsep/roles.h"
#include "privsep/service.h"

namespace everseal::privsep {
namespace {

using Files = std::span<const base::FileDescriptor>;

constexpr std::uint16_t kHttpPort = 80;  // RFC 8555 §8.3

constexpr const char* kMetricsPath = "/metrics";
constexpr std::string_view kMetricsType = "text/plain; version=0.0.4; charset=utf-8";

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

// What it is told is what whoever asks gets: nobody's question reaches the monitor.
class MetricsService {
 public:
  explicit MetricsService(http::Server& server) : server_(server) {}
  bool allows(const ShowMetrics&) const { return true; }

  Result<> handle(ShowMetrics&, Files files) {
    const base::FileDescriptor& text = *TRY(only_descriptor(files));
    server_.put(kMetricsPath, TRY(base::read_all(text, "read the metrics")), kMetricsType);
    return {};
  }

 private:
  http::Server& server_;
};

template <class Requests>
Result<> serve(const Channel& monitor, auto& listener, auto service) {
  for (;;) {
    listener.serve_until(monitor.socket());
    TRY(serve_one<Requests>(monitor, service));
  }
}

}  // namespace

// What remains: taking connections on the listeners that it has, and the channel.
Result<> lock_in_edge(const std::optional<Identity>& identity) {
  TRY(give_up_rights(identity));
  return confine({.system_calls = SystemCalls::accept});
}

// Its port before all else: 80 is root's.
Result<> run_edge(const Channel& monitor, const RoleOptions& options) {
  auto server =
      options.metrics ? http::Server::listen(*options.metrics) : http::Server::listen(kHttpPort);
  if (!server) return say_ready(monitor, std::unexpected(server.error()), Strictness::required);
  TRY(say_ready(monitor, lock_in_edge(options.identity), options.strictness));
  if (options.metrics) return serve<MetricsRequest>(monitor, *server, MetricsService(*server));
  challenge::StandaloneResponder responder(*std::move(server));
  return serve<EdgeRequest>(monitor, responder, EdgeService(responder));
}

}  // namespace everseal::privsep
