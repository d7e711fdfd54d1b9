#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <memory>
#include <set>

#include "acme/runner.h"
#include "challenge/http01.h"
#include "crypto/ssl.h"
#include "http/curl.h"
#include "http/curl_transport.h"
#include "http/message.h"
#include "privsep/messages.h"
#include "privsep/roles.h"
#include "privsep/service.h"

namespace everseal::privsep {
namespace {

using Files = std::span<const base::FileDescriptor>;

constexpr base::Seconds kLookUpTime{10};

// What looking up a host reads: the resolver's settings, its modules and OpenSSL's and libcurl's
// libraries with their settings (nsswitch.conf(5), resolv.conf(5)). All of it is given up before
// the first byte comes from the CA.
const std::vector<std::string>& needed_to_begin() {
  static const std::vector<std::string> paths = {"/etc/resolv.conf",
                                                 "/etc/hosts",
                                                 "/etc/nsswitch.conf",
                                                 "/etc/host.conf",
                                                 "/etc/gai.conf",
                                                 "/etc/services",
                                                 "/etc/ld.so.cache",
                                                 "/etc/ssl/openssl.cnf",
                                                 "/run/systemd/resolve",
                                                 "/run/resolvconf",
                                                 "/lib",
                                                 "/usr/lib",
                                                 "/lib64",
                                                 "/usr/lib64",
                                                 "/usr/local/lib"};
  return paths;
}

struct FreeAddresses {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};

// Ends this process when its time is over, with an answer to whoever waits for one: nothing else
// bounds getaddrinfo(3), which asks each of some servers several times, and a thread is forbidden.
class TimeToLookUp {
 public:
  TimeToLookUp(const Channel& monitor, const std::string& host) {
    const Result<> late = base::transient(fmt::format(
        "look up {}: the resolver gives no answer within {} s", host, kLookUpTime.count()));
    socket_ = monitor.socket().get();
    answer_ = encode(late);
    struct sigaction act{};
    act.sa_handler = [](int) {
      static_cast<void>(::send(socket_, answer_.data(), answer_.size(), MSG_NOSIGNAL) < 0);
      ::_exit(1);
    };
    ::sigaction(SIGALRM, &act, nullptr);
    set(kLookUpTime);
  }
  ~TimeToLookUp() { set({}); }
  TimeToLookUp(const TimeToLookUp&) = delete;
  TimeToLookUp& operator=(const TimeToLookUp&) = delete;

 private:
  static void set(base::Seconds time) {
    const itimerval timer{.it_interval = {}, .it_value = {.tv_sec = time.count(), .tv_usec = 0}};
    ::setitimer(ITIMER_REAL, &timer, nullptr);
  }
  static inline int socket_ = -1;
  static inline std::string answer_;
};

// The host's addresses as text, in the resolver's order; empty for a host that is one.
Result<std::vector<std::string>> look_up(const Channel& monitor, const std::string& host) {
  in6_addr number;
  if (host.starts_with('[') || ::inet_pton(AF_INET, host.c_str(), &number) == 1)
    return std::vector<std::string>();
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  int code = 0;
  {
    const TimeToLookUp time(monitor, host);
    code = ::getaddrinfo(host.c_str(), nullptr, &hints, &list);
  }
  const std::unique_ptr<addrinfo, FreeAddresses> owner(list);
  if (code != 0) return base::transient(fmt::format("look up {}: {}", host, ::gai_strerror(code)));
  std::vector<std::string> addresses;
  for (const addrinfo* each = list; each; each = each->ai_next) {
    char text[INET6_ADDRSTRLEN] = {};
    const void* const bytes =
        each->ai_family == AF_INET
            ? static_cast<const void*>(&reinterpret_cast<sockaddr_in*>(each->ai_addr)->sin_addr)
            : &reinterpret_cast<sockaddr_in6*>(each->ai_addr)->sin6_addr;
    if (::inet_ntop(each->ai_family, bytes, text, sizeof text)) addresses.emplace_back(text);
  }
  return addresses;
}

struct HostAndPort {
  std::string host;
  std::uint16_t port = 443;
};

// Of an origin, "scheme://host:port".
HostAndPort host_of(const std::string& origin) {
  const std::string rest = origin.substr(origin.find("://") + 3);
  const std::size_t colon = rest.rfind(':');
  HostAndPort result{rest.substr(0, colon)};
  std::from_chars(rest.data() + colon + 1, rest.data() + rest.size(), result.port);
  return result;
}

// The keeper, asked through its channel. If it is gone, nothing can be signed any more: repeating
// would take minutes, and giving up would lose orders that the next run can finish.
class RemoteSigner : public acme::Signer {
 public:
  explicit RemoteSigner(const Channel& keeper) : keeper_(keeper) {}
  Result<std::string> sign(const crypto::JwsHeader& header, const acme::Payload& payload) override {
    if (!keeper_.send(encode(SignerRequest(Sign{header, payload})))) ::_exit(kKeeperGoneStatus);
    const auto answer = keeper_.receive();
    if (!answer) ::_exit(kKeeperGoneStatus);
    return TRY(decode<Result<std::string>>(answer->bytes));
  }

 private:
  const Channel& keeper_;
};

// The monitor, told what happens. If it is gone, so is the reason to go on.
class RemoteHost : public acme::Host {
 public:
  explicit RemoteHost(const Channel& monitor) : monitor_(monitor) {}

  Result<> save_orders(std::span<const acme::OrderRecord> records) override {
    while (!records.empty()) {
      const std::size_t count = std::min(records.size(), kMostRecords);
      TRY(ask(tell::SaveOrders{{records.begin(), records.begin() + static_cast<long>(count)}}));
      records = records.subspan(count);
    }
    return {};
  }
  Result<> publish(const acme::ChallengeResponse& response) override {
    return ask(tell::Publish{response});
  }
  void retract(const acme::ChallengeResponse& response) override { say(tell::Retract{response}); }
  void progress(std::uint64_t id, acme::Step step) override { say(tell::Progress{id, step}); }
  void finished(std::span<const acme::Outcome> outcomes) override {
    for (const acme::Outcome& each : outcomes) say(tell::Finished{each});
  }

  void say(const NetEvent& event) {
    std::string bytes = encode(event);
    if (bytes.size() > kMostMessageBytes) bytes = encode(without_the_excess(event));
    if (!monitor_.send(bytes)) ::_exit(1);
  }

 private:
  // URLs are of at most 2 KiB (http::https_origin): this many fit into a message.
  static constexpr std::size_t kMostRecords = 50;

  Result<> ask(const NetEvent& event) {
    say(event);
    return TRY(decode<Result<>>(TRY(monitor_.receive()).bytes));
  }

  // Only an outcome can be that large: by its chain, or by what the CA says against many names.
  static NetEvent without_the_excess(const NetEvent& event) {
    const auto* const finished = std::get_if<tell::Finished>(&event);
    if (!finished) ::_exit(1);
    acme::Outcome outcome = finished->outcome;
    outcome.problems.clear();
    if (outcome.chain) {
      outcome.chain = base::rejected("the CA's certificate chain is too large");
      outcome.order_url.clear();
    }
    return tell::Finished{std::move(outcome)};
  }

  const Channel& monitor_;
};

// What fits into a message for 200 names: a CA asks at one of them, or two.
constexpr std::ptrdiff_t kMostAddresses = 8;

std::vector<std::string> first_of(const std::vector<std::string>& addresses) {
  return {addresses.begin(), addresses.begin() + std::min(std::ssize(addresses), kMostAddresses)};
}

// A resolver that is silent is not waited for as long as resolv.conf(5) says: it is asked about
// many names. What it answers late is not known.
std::vector<scan::Whereabouts> look_up_all(const Channel& monitor,
                                           const std::vector<std::string>& names,
                                           base::Milliseconds patience) {
  ::setenv("RES_OPTIONS", "timeout:2 attempts:1", 1);
  const Instant deadline = std::chrono::steady_clock::now() + patience;
  std::vector<scan::Whereabouts> found;
  for (const std::string& name : names) {
    if (std::chrono::steady_clock::now() >= deadline) break;
    auto addresses = look_up(monitor, name);
    scan::Whereabouts& each = found.emplace_back();
    if (addresses)
      each.addresses = first_of(*addresses);
    else
      each.problem = addresses.error().message;
  }
  return found;
}

// Either the client of one CA, or the visitor of servers of this machine, or the scout of what a CA
// will meet, or the courier of one message; never two of them, so that what a CA sent cannot vouch
// for what is served.
class NetService {
 public:
  NetService(const Channel& monitor, const Channel& keeper, Strictness strictness)
      : monitor_(monitor), signer_(keeper), strictness_(strictness) {}

  bool allows(const ask_net::UseCa&) const { return state_ == State::fresh; }
  bool allows(const ask_net::Terms&) const { return state_ == State::client; }
  bool allows(const ask_net::UseAccount&) const { return state_ == State::client; }
  bool allows(const ask_net::FindAccount&) const { return state_ == State::client; }
  bool allows(const ask_net::RegisterAccount&) const { return state_ == State::client; }
  bool allows(const ask_net::ChangeKey&) const { return state_ == State::client; }
  bool allows(const ask_net::RenewalInfo&) const { return state_ == State::client; }
  bool allows(const ask_net::AddIssuance&) const { return state_ == State::client; }
  bool allows(const ask_net::Run&) const { return state_ == State::client; }
  bool allows(const ask_net::UseServers&) const { return state_ == State::fresh; }
  bool allows(const ask_net::Deliver&) const { return state_ == State::fresh; }
  bool allows(const ask_net::Handshake&) const { return state_ == State::visitor; }
  bool allows(const ask_net::Get&) const {
    return state_ == State::visitor || state_ == State::scout;
  }
  bool allows(const ask_net::LookUp&) const { return state_ == State::fresh; }

  Result<> handle(ask_net::UseCa& request, Files files) {
    state_ = State::client;
    Way way = TRY(find_way(TRY(http::https_origin(request.directory_url)), files));
    http::CurlOptions options;
    options.trusted_pem = std::move(way.trusted_pem);
    options.addresses = std::move(way.addresses);
    TRY(leave_only({way.port}));
    transport_ = TRY(http::CurlTransport::open(std::move(options)));
    client_ = std::make_unique<acme::Client>(*transport_, signer_, base::real_clock(),
                                             request.directory_url);
    if (const auto pace = acme::known_pace(request.directory_url)) client_->pace(*pace);
    return {};
  }

  Result<acme::AccountTerms> handle(ask_net::Terms&, Files) { return TRY(client())->terms(); }

  Result<> handle(ask_net::UseAccount& request, Files) {
    static_cast<void>(TRY(TRY(client())->use_account(request.url)));
    return {};
  }

  Result<acme::KeyStanding> handle(ask_net::FindAccount&, Files) {
    return TRY(client())->find_account();
  }

  Result<std::string> handle(ask_net::RegisterAccount&, Files) {
    return TRY(TRY(client())->register_account()).url;
  }

  Result<> handle(ask_net::ChangeKey&, Files) { return TRY(client())->change_key(); }

  Result<std::vector<acme::RenewalInfo>> handle(ask_net::RenewalInfo& request, Files) {
    return acme::fetch_renewal_info(*TRY(client()), request.ids);
  }

  Result<> handle(ask_net::AddIssuance& request, Files) {
    requests_.push_back(std::move(request.request));
    return {};
  }

  Result<> handle(ask_net::Run& request, Files) {
    RemoteHost host(monitor_);
    acme::RunnerOptions options;
    options.most_at_once = request.most_at_once;
    options.deadline = request.deadline;
    options.stop = &role_must_end;
    Result<> result = run(host, options);
    host.say(tell::Ended{});
    return result;
  }

  Result<> handle(ask_net::UseServers& request, Files) {
    state_ = State::visitor;
    static_cast<void>(TRY(crypto::open_ssl()));
    return leave_only(request.ports);
  }

  Result<> handle(ask_net::Deliver& request, Files files) {
    state_ = State::courier;
    const std::string origin = TRY(notify::origin(request.delivery));
    Way way = TRY(within(origin, find_way(origin, files)));
    const auto addresses = TRY(within(origin, notify::allowed(way.addresses)));
    TRY(leave_only({way.port}));
    return notify::deliver(request.delivery, {std::move(way.trusted_pem), addresses});
  }

  Result<std::vector<scan::Whereabouts>> handle(ask_net::LookUp& request, Files) {
    state_ = State::scout;
    auto found = look_up_all(monitor_, request.names, request.patience);
    TRY(leave_only({challenge::kHttp01Port}));
    return found;
  }

  Result<scan::Leaf> handle(ask_net::Handshake& request, Files) {
    return visitor_.handshake(request.target, request.server_name, request.timeout);
  }

  Result<scan::Answer> handle(ask_net::Get& request, Files) {
    return visitor_.get(request.target, request.host, request.path, request.timeout);
  }

 private:
  enum class State { fresh, client, visitor, scout, courier };

  // All that is needed to speak to one server of the outside.
  struct Way {
    std::string trusted_pem{};
    std::vector<std::string> addresses{};  // none: the host is one
    std::uint16_t port = 0;
  };
  Result<Way> find_way(const std::string& origin, Files files) const {
    Way way;
    way.trusted_pem = TRY(base::read_all(*TRY(only_descriptor(files)), "read the CA bundle"));
    const HostAndPort target = host_of(origin);
    static_cast<void>(TRY(http::open_curl()));
    way.addresses = TRY(look_up(monitor_, target.host));
    way.port = target.port;
    return way;
  }

  Result<> leave_only(const std::vector<std::uint16_t>& ports) const {
    auto confined = confine({.system_calls = SystemCalls::connect, .tcp_ports = ports});
    return strictness_ == Strictness::relaxed ? Result<>() : confined;
  }

  Result<acme::Client*> client() {
    if (!client_) return base::internal("the CA could not be used");
    return client_.get();
  }

  Result<> run(acme::Host& host, const acme::RunnerOptions& options) {
    return acme::run(*TRY(client()), std::exchange(requests_, {}), host, options);
  }

  const Channel& monitor_;
  RemoteSigner signer_;
  const Strictness strictness_;
  State state_ = State::fresh;
  std::unique_ptr<http::Transport> transport_;
  std::unique_ptr<acme::Client> client_;
  std::vector<acme::IssuanceRequest> requests_;
  scan::DirectVisitor visitor_;
};

}  // namespace

// What remains at first: what is needed to look up the CA. UseCa and UseServers leave TCP
// connections to a few ports, the channels, memory and time.
Result<> lock_in_net(const std::optional<Identity>& identity) {
  TRY(give_up_rights(identity));
  return confine({.system_calls = SystemCalls::resolve,
                  .readable = needed_to_begin(),
                  .tcp_ports = std::nullopt});
}

Result<> run_net(const Channel& monitor, const Channel& keeper, const RoleOptions& options) {
  TRY(say_ready(monitor, lock_in_net(options.identity), options.strictness));
  NetService service(monitor, keeper, options.strictness);
  for (;;) TRY(serve_one<NetRequest>(monitor, service));
}

}  // namespace everseal::privsep
