#include "ca/service.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "base/address.h"
#include "base/file_lock.h"
#include "ca/front_end.h"
#include "ca/https_certificate.h"
#include "ca/key_process.h"
#include "ca/management.h"
#include "ca/own_files.h"
#include "ca/validation_authority.h"
#include "dns/ares_resolver.h"
#include "http/tls_server.h"

namespace everseal::ca {
namespace {

constexpr base::Milliseconds kStopLatency{200};
constexpr base::Seconds kUpkeep = std::chrono::hours(1);
constexpr base::Seconds kMemory = std::chrono::days(30);  // of what came to nothing

Result<base::FileLock> lock_state(const std::string& directory) {
  const std::string path = base::join_path(directory, "lock");
  auto lock = TRY(base::FileLock::take(path));
  if (lock) return *std::move(lock);
  const auto holder = base::lock_holder(path);
  return base::transient(fmt::format("another everseal ca{} is at work in {}",
                                     holder ? fmt::format(" (process {})", holder->process) : "",
                                     directory));
}

bool is_loopback_host(const std::string& host) {
  return host == "localhost" || base::kind_of(host) == base::AddressKind::loopback;
}

bool is_loopback(const std::string& listen) {
  const auto parsed = base::SocketAddress::parse(listen);
  return parsed && is_loopback_host(parsed->address());
}

// Whether this machine alone can ask the CA. Where something forwards to it, clients elsewhere know
// it by another name or port, and it answers to none that it was not given.
bool is_private(const ServiceOptions& options) {
  return std::ranges::all_of(options.listen, is_loopback) &&
         (options.name.empty() || is_loopback_host(options.name)) &&
         options.policy.other_names.empty();
}

Result<> check_management(const std::string& address) {
  if (address.empty()) return {};
  static_cast<void>(TRY(base::SocketAddress::parse(address)));
  if (is_loopback(address)) return {};
  return base::invalid(fmt::format("{} is no loopback address", address));
}

std::string host_name() {
  char name[256] = "";
  ::gethostname(name, sizeof name - 1);
  return name;
}

// All names by which clients may come: those of the machine, which others know it by, and the
// addresses that it listens on.
std::vector<std::string> own_names(const ServiceOptions& options) {
  std::vector<std::string> names = {"localhost", "127.0.0.1", "::1"};
  if (const std::string host = host_name(); !host.empty() && !is_private(options))
    names.push_back(host);
  if (!options.name.empty()) names.push_back(options.name);
  for (const std::string& each : options.policy.other_names)
    if (auto name = OwnNames::parse(each)) names.push_back(std::move(name->host));
  for (const std::string& each : options.listen)
    if (const auto address = base::SocketAddress::parse(each);
        address && address->address() != "0.0.0.0" && address->address() != "::")
      names.push_back(address->address());
  return names;
}

// Each name at each port, and those that the policy gives with ports of their own.
OwnNames callable_names(const ServiceOptions& options, const http::TlsServer& server) {
  OwnNames all;
  for (const std::string& name : own_names(options))
    for (const std::string& each : server.addresses())
      all.add(name, base::SocketAddress::parse(each)->port());
  for (const std::string& each : options.policy.other_names)
    if (const auto name = OwnNames::parse(each); name && name->port != 0)
      all.add(name->host, name->port);
  return all;
}

// Whoever can ask this CA, and where it connects to for him.
Reach reach_of(const ServiceOptions& options) {
  return {.loopback = is_private(options) ? Reach::Loopback::allowed : Reach::Loopback::refused,
          .also = options.policy.reach_also,
          .never = options.policy.reach_never};
}

std::string host_of(const ServiceOptions& options, const http::TlsServer& server) {
  const std::uint16_t port = base::SocketAddress::parse(server.addresses().front())->port();
  const std::string name = options.name.empty() ? "localhost" : options.name;
  const std::string bracketed = name.contains(':') ? "[" + name + "]" : name;
  return port == 443 ? bracketed : fmt::format("{}:{}", bracketed, port);
}

std::string ledger_file(const std::string& state) { return base::join_path(state, "ledger.db"); }
std::string authority(const std::string& state) { return base::join_path(state, "authority"); }

// Whether this CA has worked before: the first thing that it issues is its own certificate.
bool has_worked(const FileReader& files, const std::string& state) {
  return base::exists(files, base::join_path(state, "https.pem"));
}

// Never removed: somebody may know how to read it.
Result<> put_aside(FileSystem& files, const ServiceOptions& options, Time now) {
  const std::string path = ledger_file(options.state);
  for (const char* part : {"", "-wal", "-shm"})
    if (base::exists(files, path + part))
      TRY(files.rename(path + part,
                       fmt::format("{}.lost-{}{}", path, now.time_since_epoch().count(), part)));
  TRY(files.sync(options.state));
  options.log(
      fmt::format("{}: begun anew; what was issued before is unknown and cannot be revoked", path));
  return {};
}

// There is a ledger before there are keys, and a certificate in it before that of the CA is used.
Result<bool> is_lost(const FileReader& files, const ServiceOptions& options) {
  const std::string path = ledger_file(options.state);
  const bool has_keys =
      base::exists(files, base::join_path(authority(options.state), "intermediate-1.key"));
  if (!TRY(Ledger::is_there(files, path))) return has_keys || has_worked(files, options.state);
  const bool has_certificates = TRY(TRY(Ledger::open(path)).has_certificates());
  return !has_certificates && has_worked(files, options.state);
}

// A CA that has keys and knows of nothing that it did has lost what it must not forget. What cannot
// be opened for another reason than damage is not lost.
Result<> check_ledger(FileSystem& files, const ServiceOptions& options, Time now) {
  const auto lost = is_lost(files, options);
  if (lost && !*lost) return {};
  if (!lost && lost.error().kind != ErrorKind::invalid) return std::unexpected(lost.error());
  if (options.lost_ledger == ServiceOptions::LostLedger::begin_anew)
    return put_aside(files, options, now);
  if (!lost) return std::unexpected(lost.error());
  return base::invalid(fmt::format("{} is missing or empty, the CA's keys are there: {}",
                                   ledger_file(options.state), kLedgerRemedy));
}

// New roots would be made in place of those that clients trust.
Result<> check_authority(const FileReader& files, const ServiceOptions& options) {
  if (!has_worked(files, options.state)) return {};
  for (const char* name : {"root-1.pem", "root-2.pem", "intermediate-1.pem"}) {
    const std::string path = base::join_path(authority(options.state), name);
    if (!base::exists(files, path))
      return base::invalid(fmt::format(
          "{} is missing, though this CA has worked with it: put {} back from a backup; to begin "
          "another CA, whose root clients do not know yet, move {} away",
          path, authority(options.state), options.state));
  }
  return {};
}

}  // namespace

class Service::State {
 public:
  static Result<std::unique_ptr<State>> open(FileSystem& files, const Clock& clock,
                                             ServiceOptions options) {
    TRY(check_management(options.management));
    options.validation.caa_identities = options.policy.caa_identities;
    options.validation.reach = reach_of(options);
    TRY(base::make_directories(files, options.state, 0700));
    options.state = TRY(files.real_path(options.state));  // systemd makes a symlink (DynamicUser)
    auto lock = TRY(lock_state(options.state));
    TRY(check_unchanged(files, options.state));
    TRY(check_authority(files, options));
    TRY(check_ledger(files, options, clock.now()));
    static_cast<void>(TRY(Ledger::open(ledger_file(options.state))));  // before there are keys
    auto keys = TRY(KeyProcess::start(files, authority(options.state), clock.now()));
    auto issuer = TRY(keys.issuer());
    auto ledger = TRY(Ledger::open(ledger_file(options.state)));
    TRY(check_unchanged(files, ledger_file(options.state)));
    auto resolver = TRY(within("--resolver", dns::AresResolver::open(options.resolver)));
    std::unique_ptr<State> state(new State(files, clock, std::move(options), std::move(lock),
                                           std::move(keys), std::move(issuer), std::move(ledger),
                                           std::move(resolver)));
    TRY(state->begin());
    return state;
  }

  Result<> run(const std::atomic<bool>& stop) {
    while (!stop) {
      turn();
      if (!keys_.is_alive())
        return base::transient("the process that holds the CA's keys has ended");
    }
    return ledger_.checkpoint();
  }

  std::string directory_url;
  std::string root_file;
  std::vector<std::string> addresses;

 private:
  State(FileSystem& files, const Clock& clock, ServiceOptions options, base::FileLock lock,
        KeyProcess keys, Issuer issuer, Ledger ledger, std::unique_ptr<dns::Resolver> resolver)
      : files_(files),
        clock_(clock),
        options_(std::move(options)),
        lock_(std::move(lock)),
        keys_(std::move(keys)),
        issuer_(std::move(issuer)),
        ledger_(std::move(ledger)),
        resolver_(std::move(resolver)),
        validator_(options_.validation, *resolver_) {}

  Result<> begin() {
    root_file = base::join_path(options_.state, "root.pem");
    TRY(base::write_durably(files_, root_file, issuer_.roots().front().certificate().pem(), 0644));
    static_cast<void>(TRY(keep_https_certificate(files_, https_file(), issuer_, ledger_,
                                                 own_names(options_), clock_.now())));
    std::vector<std::string> listen = options_.listen;
    if (!options_.management.empty()) listen.push_back(options_.management);
    server_.emplace(TRY(http::TlsServer::listen(listen, {https_file(), https_file()})));
    server_->watch(validator_.event());
    server_->watch(keys_.watched());
    addresses = server_->addresses();
    if (!options_.management.empty()) addresses.pop_back();
    const std::string host = host_of(options_, *server_);
    const OwnNames names = callable_names(options_, *server_);
    directory_url = fmt::format("https://{}/directory", host);
    front_end_.emplace(
        ledger_, issuer_, validator_, clock_,
        FrontEndOptions{
            .policy = options_.policy, .host = host, .names = names, .log = options_.log});
    management_.emplace(*front_end_, ledger_, names);
    if (!options_.faults.empty()) TRY(front_end_->faults().add(options_.faults));
    TRY(front_end_->resume());
    return ledger_.checkpoint();
  }

  std::string https_file() const { return base::join_path(options_.state, "https.pem"); }

  // All that came together is answered with one commit.
  void turn() {
    std::vector<http::Arrival> arrivals = server_->wait(next_turn());
    const auto first_managing = std::ranges::stable_partition(arrivals, [&](const auto& each) {
      return options_.management.empty() || each.listener < options_.listen.size();
    });
    for (const http::Arrival& each : first_managing)
      server_->answer(each.id, management_->handle(each.request));
    arrivals.erase(first_managing.begin(), arrivals.end());
    for (Answer& each : front_end_->handle(arrivals)) send(std::move(each));
    send_delayed();
    keep_up();
  }

  Instant next_turn() const {
    Instant next = clock_.steady_now() + kStopLatency;
    for (const auto& [due, answer] : delayed_) next = std::min(next, due);
    return next;
  }

  void send(Answer answer) {
    if (answer.delay.count() > 0) {
      const Instant due = clock_.steady_now() + answer.delay;
      answer.delay = {};
      delayed_.emplace_back(due, std::move(answer));
    } else if (answer.dropped) {
      server_->drop(answer.id);
    } else {
      server_->answer(answer.id, std::move(answer.response));
    }
  }

  void send_delayed() {
    std::vector<Answer> due;
    std::erase_if(delayed_, [&](auto& each) {
      if (each.first > clock_.steady_now()) return false;
      due.push_back(std::move(each.second));
      return true;
    });
    for (Answer& each : due) send(std::move(each));
  }

  void keep_up() {
    if (clock_.now() < next_upkeep_) return;
    next_upkeep_ = clock_.now() + kUpkeep;
    if (const auto done = ledger_.forget(clock_.now() - kMemory); !done)
      options_.log(done.error().message);
    if (const auto done = ledger_.checkpoint(); !done) options_.log(done.error().message);
    if (const auto done = renew_https(); !done) options_.log(done.error().message);
  }

  Result<> renew_https() {
    if (!TRY(keep_https_certificate(files_, https_file(), issuer_, ledger_, own_names(options_),
                                    clock_.now())))
      return {};
    return server_->use({https_file(), https_file()});
  }

  FileSystem& files_;
  const Clock& clock_;
  const ServiceOptions options_;
  base::FileLock lock_;
  KeyProcess keys_;
  Issuer issuer_;
  Ledger ledger_;
  std::unique_ptr<dns::Resolver> resolver_;
  ValidationAuthority validator_;
  std::optional<FrontEnd> front_end_;
  std::optional<Management> management_;
  std::optional<http::TlsServer> server_;
  std::vector<std::pair<Instant, Answer>> delayed_;
  Time next_upkeep_{};
};

Service::Service(std::unique_ptr<State> state) : state_(std::move(state)) {}
Service::Service(Service&&) noexcept = default;
Service::~Service() = default;

Result<Service> Service::open(FileSystem& files, const Clock& clock, ServiceOptions options) {
  return Service(TRY(State::open(files, clock, std::move(options))));
}

const std::string& Service::directory_url() const { return state_->directory_url; }
const std::string& Service::root_file() const { return state_->root_file; }
const std::vector<std::string>& Service::addresses() const { return state_->addresses; }

Result<> Service::run(const std::atomic<bool>& stop) { return state_->run(stop); }

}  // namespace everseal::ca
