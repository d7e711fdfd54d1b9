#include "http/tls_server.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <set>
#include <span>
#include <unordered_map>

#include "base/address.h"
#include "base/memory.h"
#include "crypto/ssl.h"
#include "http/listener.h"
#include "http/server_connection.h"

namespace everseal::http {
namespace {

constexpr int kBacklog = 1024;
constexpr int kMostEvents = 512;  // of one call of epoll_wait(2)

const crypto::Ssl& ssl() { return **crypto::open_ssl(); }

struct FreeContext {
  void operator()(SSL_CTX* context) const { ssl().context_free(context); }
};
using ContextPointer = std::unique_ptr<SSL_CTX, FreeContext>;

Instant now() { return std::chrono::steady_clock::now(); }

std::unexpected<Error> tls_failure(std::string_view attempt) {
  const char* const reason = ERR_reason_error_string(ERR_peek_error());
  ERR_clear_error();
  return base::invalid(fmt::format("{}: {}", attempt, reason ? reason : "unknown reason"));
}

bool offers(std::string_view names, std::string_view wanted) {
  while (!names.empty()) {
    const std::size_t size = static_cast<unsigned char>(names.front());
    if (names.substr(1, size) == wanted) return true;
    names.remove_prefix(std::min(names.size(), size + 1));
  }
  return false;
}

// RFC 7301: the server's choice among what the client offers.
int choose_alpn(SSL*, const unsigned char** chosen, unsigned char* chosen_size,
                const unsigned char* offered, unsigned size, void*) {
  static constexpr std::string_view kHttp2 = "h2", kHttp1 = "http/1.1";
  const std::string_view names(reinterpret_cast<const char*>(offered), size);
  for (const std::string_view each : {kHttp2, kHttp1}) {
    if (each == kHttp2 && !Http2Session::open_library()) continue;
    if (!offers(names, each)) continue;
    *chosen = reinterpret_cast<const unsigned char*>(each.data());
    *chosen_size = static_cast<unsigned char>(each.size());
    return SSL_TLSEXT_ERR_OK;
  }
  return SSL_TLSEXT_ERR_NOACK;
}

Result<ContextPointer> make_context(const ServerCertificate& certificate) {
  static_cast<void>(TRY(crypto::open_ssl()));
  ContextPointer context(ssl().context_new(ssl().server_method()));
  if (!context) base::insist_on_memory();
  ssl().context_ctrl(context.get(), SSL_CTRL_SET_MIN_PROTO_VERSION, TLS1_2_VERSION, nullptr);
  ssl().context_ctrl(context.get(), SSL_CTRL_MODE,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                         SSL_MODE_RELEASE_BUFFERS,
                     nullptr);
  ssl().context_ctrl(context.get(), SSL_CTRL_SET_SESS_CACHE_MODE, SSL_SESS_CACHE_OFF, nullptr);
  ssl().context_ctrl(context.get(), SSL_CTRL_SET_READ_AHEAD, 1, nullptr);
  ssl().set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  ssl().set_alpn_select_callback(context.get(), choose_alpn, nullptr);
  if (ssl().use_certificate_chain_file(context.get(), certificate.chain_file.c_str()) != 1)
    return tls_failure(certificate.chain_file);
  // Refuses a key that is not the certificate's.
  if (ssl().use_private_key_file(context.get(), certificate.key_file.c_str(), SSL_FILETYPE_PEM) !=
      1)
    return tls_failure(certificate.key_file);
  return context;
}

// Each connection is a descriptor.
void raise_descriptor_limit() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

std::string url_of(const ServerConnection& connection, const ReadRequest& read) {
  return fmt::format("{}://{}{}", connection.is_tls() ? "https" : "http", read.host,
                     read.request.url);
}

}  // namespace

// All descriptors that are waited for, by a number of ours: listeners first, then watched ones,
// then connections.
class TlsServer::Loop {
 public:
  Loop(ContextPointer context, ServerLimits limits)
      : limits_(limits), epoll_(::epoll_create1(EPOLL_CLOEXEC)), context_(std::move(context)) {}

  void add_listener(base::FileDescriptor listener) {
    addresses_.push_back(base::SocketAddress::of_socket(listener.get()).to_string());
    register_descriptor(listener.get(), next_id_, EPOLLIN);
    listeners_.emplace(next_id_++, std::move(listener));
  }

  void watch(int fd) { register_descriptor(fd, kWatched, EPOLLIN); }

  const std::vector<std::string>& addresses() const { return addresses_; }
  void use(ContextPointer context) { context_ = std::move(context); }

  std::vector<Arrival> wait(Instant deadline) {
    bool woken = false;
    do {
      advance_waiting();
      woken = poll(arrivals_.empty() ? deadline : Instant());
      end_overdue();
    } while (arrivals_.empty() && !woken && now() < deadline);
    return std::exchange(arrivals_, {});
  }

  void answer(std::uint64_t id, Response response) {
    if (Client* const client = settle(id))
      client->connection.answer(settled_.stream, std::move(response));
  }

  void drop(std::uint64_t id) {
    if (Client* const client = settle(id)) client->connection.drop(settled_.stream);
  }

 private:
  struct Client {
    Client(base::FileDescriptor socket, const ServerConnection::Options& options)
        : connection(std::move(socket), options) {}
    ServerConnection connection;
    std::string address;
    std::size_t listener = 0;
    Instant deadline{};        // of what it does now; not while it waits for us
    std::uint32_t events = 0;  // that epoll tells
  };
  struct Origin {
    std::uint64_t client = 0;
    std::int32_t stream = 0;
  };
  static constexpr std::uint64_t kWatched = 0;

  void register_descriptor(int fd, std::uint64_t id, std::uint32_t events) {
    epoll_event event{.events = events, .data = {.u64 = id}};
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event);
  }

  // The client that waits for this answer, unless it has gone.
  Client* settle(std::uint64_t id) {
    const auto origin = origins_.find(id);
    if (origin == origins_.end()) return nullptr;
    settled_ = origin->second;
    origins_.erase(origin);
    const auto client = clients_.find(settled_.client);
    if (client == clients_.end()) return nullptr;
    client->second.deadline = now() + limits_.patience;
    waiting_.insert(settled_.client);
    return &client->second;
  }

  // Those that have something to do without being told by epoll.
  void advance_waiting() {
    for (const std::uint64_t id : std::exchange(waiting_, {})) advance(id);
  }

  // True if a watched descriptor can be read.
  bool poll(Instant deadline) {
    std::array<epoll_event, kMostEvents> events;
    const int count =
        ::epoll_wait(epoll_.get(), events.data(), kMostEvents, timeout_until(deadline));
    bool woken = false;
    for (const epoll_event& event :
         std::span(events).first(static_cast<std::size_t>(std::max(count, 0)))) {
      const std::uint64_t id = event.data.u64;
      if (id == kWatched)
        woken = true;
      else if (listeners_.contains(id))
        accept_from(id);
      else
        advance(id);
    }
    return woken;
  }

  int timeout_until(Instant deadline) const {
    if (!waiting_.empty()) return 0;
    const Instant until = clients_.empty() ? deadline : std::min(deadline, next_look_);
    const auto left = std::chrono::ceil<base::Milliseconds>(until - now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, 60'000));
  }

  void accept_from(std::uint64_t listener) {
    for (;;) {
      base::SocketAddress address;
      base::FileDescriptor socket(::accept4(listeners_.at(listener).get(), address.native(),
                                            &address.length(), SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (!socket && (errno == EMFILE || errno == ENFILE) && make_room()) continue;
      if (!socket) return;
      if (clients_.size() >= limits_.most_connections && !make_room()) continue;
      add_client(std::move(socket), address.address(), listener);
    }
  }

  void add_client(base::FileDescriptor socket, std::string address, std::uint64_t listener) {
    const int on = 1;
    ::setsockopt(socket.get(), IPPROTO_TCP, 1 /* TCP_NODELAY */, &on, sizeof on);
    const std::uint64_t id = next_id_++;
    register_descriptor(socket.get(), id, EPOLLIN);
    const ServerConnection::Options options{context_.get(), limits_.request, limits_.most_streams};
    Client& client = clients_.try_emplace(id, std::move(socket), options).first->second;
    client.address = std::move(address);
    client.listener = static_cast<std::size_t>(listener - listeners_.begin()->first);
    client.deadline = now() + limits_.patience;
    client.events = EPOLLIN;
  }

  // Ends the connection that has waited longest for its client; false if all wait for us.
  bool make_room() {
    auto oldest = clients_.end();
    for (auto each = clients_.begin(); each != clients_.end(); ++each)
      if (!each->second.connection.is_owed() &&
          (oldest == clients_.end() || each->second.deadline < oldest->second.deadline))
        oldest = each;
    if (oldest == clients_.end()) return false;
    clients_.erase(oldest);
    return true;
  }

  void advance(std::uint64_t id) {
    const auto found = clients_.find(id);
    if (found == clients_.end()) return;
    ServerConnection& connection = found->second.connection;
    if (!connection.advance()) {
      clients_.erase(found);
      return;
    }
    for (StreamRequest& each : connection.requests())
      add_arrival(id, found->second, std::move(each));
    if (connection.has_more()) waiting_.insert(id);
    update_events(id, found->second);
  }

  void add_arrival(std::uint64_t id, Client& client, StreamRequest from) {
    client.deadline = now() + limits_.patience;
    const std::uint64_t arrival = next_id_++;
    origins_.emplace(arrival, Origin{id, from.stream});
    from.read.request.url = url_of(client.connection, from.read);
    arrivals_.push_back({.id = arrival,
                         .request = std::move(from.read.request),
                         .client = client.address,
                         .listener = client.listener,
                         .refused = from.read.refused});
  }

  void update_events(std::uint64_t id, Client& client) {
    const std::uint32_t wanted =
        (client.connection.wants_to_read() ? static_cast<std::uint32_t>(EPOLLIN) : 0u) |
        (client.connection.wants_to_write() ? static_cast<std::uint32_t>(EPOLLOUT) : 0u);
    if (wanted == client.events) return;
    client.events = wanted;
    epoll_event event{.events = wanted, .data = {.u64 = id}};
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, client.connection.socket().get(), &event);
  }

  void end_overdue() {
    const Instant at = now();
    if (at < next_look_) return;
    next_look_ = at + limits_.patience / 4;
    std::erase_if(clients_, [&](const auto& each) {
      return each.second.deadline < at && !each.second.connection.is_owed();
    });
  }

  const ServerLimits limits_;
  base::FileDescriptor epoll_;
  ContextPointer context_;
  std::vector<std::string> addresses_;
  std::map<std::uint64_t, base::FileDescriptor> listeners_;
  std::unordered_map<std::uint64_t, Client> clients_;
  std::unordered_map<std::uint64_t, Origin> origins_;  // of arrivals that are not answered
  std::set<std::uint64_t> waiting_;
  std::vector<Arrival> arrivals_;
  Origin settled_;
  Instant next_look_{};
  std::uint64_t next_id_ = 1;
};

TlsServer::TlsServer(std::unique_ptr<Loop> loop) : loop_(std::move(loop)) {}
TlsServer::TlsServer(TlsServer&&) noexcept = default;
TlsServer::~TlsServer() = default;

Result<TlsServer> TlsServer::listen(const std::vector<std::string>& addresses,
                                    const ServerCertificate& certificate, ServerLimits limits) {
  raise_descriptor_limit();
  auto loop = std::make_unique<Loop>(TRY(make_context(certificate)), limits);
  for (const std::string& address : addresses)
    loop->add_listener(TRY(listen_on(TRY(base::SocketAddress::parse(address)), kBacklog)));
  return TlsServer(std::move(loop));
}

const std::vector<std::string>& TlsServer::addresses() const { return loop_->addresses(); }

Result<> TlsServer::use(const ServerCertificate& certificate) {
  loop_->use(TRY(make_context(certificate)));
  return {};
}

void TlsServer::watch(int fd) { loop_->watch(fd); }

std::vector<Arrival> TlsServer::wait(Instant deadline) { return loop_->wait(deadline); }

void TlsServer::answer(std::uint64_t id, Response response) {
  loop_->answer(id, std::move(response));
}

void TlsServer::drop(std::uint64_t id) { loop_->drop(id); }

}  // namespace everseal::http
