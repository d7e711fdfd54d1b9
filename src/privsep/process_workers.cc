#include "privsep/process_workers.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "base/domain_name.h"
#include "base/encoding.h"
#include "http/message.h"
#include "privsep/claims.h"
#include "privsep/messages.h"
#include "privsep/worker.h"

namespace everseal::privsep {
namespace {

// The client repeats a request five times, each at most a minute, with pauses (acme/client.h).
constexpr base::Milliseconds kCaTime = std::chrono::minutes(10);
// Each answer is of at most some 2.5 KiB: so many fit into a message.
constexpr std::size_t kMostQuestions = 50;
constexpr base::Milliseconds kStopLatency{200};
// More than net needs to take back its challenges.
constexpr base::Milliseconds kTimeToStop = std::chrono::seconds(20);
constexpr std::size_t kMostChainBytes = kMostMessageBytes / 2;

class KeeperProcess : public KeeperClient {
 public:
  explicit KeeperProcess(Worker worker) : worker_(std::move(worker)) {}

  Result<> use_ca(const std::string& directory_url) {
    return worker_.post<KeeperRequest>(ask_keeper::UseCa{directory_url});
  }
  Result<> use_account(const std::string& url) {
    return worker_.post<KeeperRequest>(ask_keeper::UseAccount{url});
  }
  Result<std::string> open_account_key(const base::FileDescriptor& file) override {
    return worker_.call<KeeperRequest>(ask_keeper::OpenAccountKey{}, kAnswerTime, &file);
  }
  Result<std::string> make_account_key(const base::FileDescriptor& file) override {
    return worker_.call<KeeperRequest>(ask_keeper::MakeAccountKey{}, kAnswerTime, &file);
  }
  Result<std::string> open_next_key(const base::FileDescriptor& file) override {
    return worker_.call<KeeperRequest>(ask_keeper::OpenNextKey{}, kAnswerTime, &file);
  }
  Result<std::string> make_next_key(const base::FileDescriptor& file) override {
    return worker_.call<KeeperRequest>(ask_keeper::MakeNextKey{}, kAnswerTime, &file);
  }
  Result<> choose(acme::AccountKey key) override {
    return worker_.call<KeeperRequest>(ask_keeper::Choose{key});
  }
  Result<> allow_key_change() override {
    return worker_.call<KeeperRequest>(ask_keeper::AllowKeyChange{});
  }
  Result<> allow_registration(const acme::Registration& registration) override {
    return worker_.call<KeeperRequest>(ask_keeper::AllowRegistration{registration});
  }
  Result<std::string> make_key(std::uint64_t id, const acme::payload::NewOrder& order,
                               crypto::KeyType type, const base::FileDescriptor& file) override {
    return worker_.call<KeeperRequest>(ask_keeper::MakeKey{id, order, type}, kAnswerTime, &file);
  }
  Result<std::string> open_key(std::uint64_t id, const acme::payload::NewOrder& order,
                               const base::FileDescriptor& file) override {
    return worker_.call<KeeperRequest>(ask_keeper::OpenKey{id, order}, kAnswerTime, &file);
  }
  Result<> use_request(std::uint64_t id, const acme::payload::NewOrder& order,
                       const std::string& request) override {
    return worker_.call<KeeperRequest>(ask_keeper::UseRequest{id, order, request});
  }

  Worker& worker() { return worker_; }

 private:
  Worker worker_;
};

class NetProcess : public NetClient {
 public:
  NetProcess(Worker worker, std::string origin)
      : worker_(std::move(worker)), origin_(std::move(origin)) {}

  void need(KeeperProcess& keeper) {
    keeper_ = &keeper;
    worker_.need(keeper.worker());
  }

  Result<> use_ca(const std::string& directory_url, const base::FileDescriptor& trusted) {
    return worker_.post<NetRequest>(ask_net::UseCa{directory_url}, &trusted);
  }

  Result<acme::AccountTerms> terms() override {
    auto terms = TRY(worker_.call<NetRequest>(ask_net::Terms{}, kCaTime));
    terms.terms_of_service = base::printable(terms.terms_of_service);
    return terms;
  }
  Result<> use_account(const std::string& url) override {
    TRY(keeper_->use_account(url));
    return worker_.call<NetRequest>(ask_net::UseAccount{url}, kCaTime);
  }
  Result<acme::KeyStanding> find_account() override {
    auto found = TRY(worker_.call<NetRequest>(ask_net::FindAccount{}, kCaTime));
    if (found.kind == acme::KeyStanding::Kind::valid) TRY(accept_account(found.account));
    return found;
  }
  Result<std::string> register_account() override {
    auto url = TRY(worker_.call<NetRequest>(ask_net::RegisterAccount{}, kCaTime));
    TRY(accept_account(url));
    return url;
  }

  Result<> change_key() override { return worker_.call<NetRequest>(ask_net::ChangeKey{}, kCaTime); }

  Result<std::vector<acme::RenewalInfo>> renewal_info(std::span<const std::string> ids) override {
    std::vector<acme::RenewalInfo> all;
    while (!ids.empty()) {
      const auto some = ids.first(std::min(ids.size(), kMostQuestions));
      ids = ids.subspan(some.size());
      auto answers =
          TRY(worker_.call<NetRequest>(ask_net::RenewalInfo{{some.begin(), some.end()}}, kCaTime));
      if (answers.size() != some.size())
        return std::unexpected(worker_.lost({ErrorKind::rejected, "answers to other questions"}));
      for (acme::RenewalInfo& each : answers) all.push_back(acme::cleaned(std::move(each)));
    }
    return all;
  }

  Result<> run(const std::vector<acme::IssuanceRequest>& requests, acme::Host& host,
               const acme::RunnerOptions& options) override {
    for (const acme::IssuanceRequest& each : requests)
      TRY(worker_.call<NetRequest>(ask_net::AddIssuance{each}));
    Claims claims(origin_, requests);
    Result<> result = follow(claims, host, options, requests.size());
    for (const acme::ChallengeResponse& left : claims.published()) host.retract(left);
    return result;
  }

 private:
  Result<> accept_account(const std::string& url) {
    if (http::https_origin(url).value_or("") != origin_)
      return std::unexpected(
          worker_.lost({ErrorKind::rejected, "an account that is not at the CA"}));
    const Result<> pinned = keeper_->use_account(url);
    // A keeper that is gone signs nothing any more: what the CA has said stays true.
    return !pinned && pinned.error().kind == ErrorKind::transient ? Result<>() : pinned;
  }

  // What ended, until it is handed on: all of it together, so that one durable commit serves them
  // all. Net does not wait for that; it is held up for a moment only, and never beyond the end.
  class Ended {
   public:
    explicit Ended(acme::Host& host) : host_(host) {}
    ~Ended() { hand_on(); }
    Ended(const Ended&) = delete;
    Ended& operator=(const Ended&) = delete;

    void add(acme::Outcome outcome) {
      if (outcomes_.empty()) due_ = std::chrono::steady_clock::now() + kTogether;
      outcomes_.push_back(std::move(outcome));
    }
    void hand_on() {
      due_ = Instant::max();
      if (!outcomes_.empty()) host_.finished(std::exchange(outcomes_, {}));
    }
    Instant due() const { return due_; }

   private:
    static constexpr base::Milliseconds kTogether{200};

    acme::Host& host_;
    std::vector<acme::Outcome> outcomes_;
    Instant due_ = Instant::max();
  };

  // Net has the time of each group of issuances that are under way at once, and a fifth of one more
  // to tidy up.
  Result<> follow(Claims& claims, acme::Host& host, const acme::RunnerOptions& options,
                  std::size_t count) {
    TRY(worker_.send(encode(NetRequest(ask_net::Run{options.most_at_once, options.deadline}))));
    const auto groups = static_cast<std::int64_t>(count / options.most_at_once + 1);
    Instant deadline =
        std::chrono::steady_clock::now() + groups * options.deadline + options.deadline / 5;
    bool told_to_stop = false;
    Ended ended(host);
    for (;;) {
      const Instant now = std::chrono::steady_clock::now();
      if (options.stop && *options.stop && !std::exchange(told_to_stop, true)) {
        worker_.signal(SIGTERM);
        deadline = std::min(deadline, now + kTimeToStop);
      }
      if (now >= deadline)
        return std::unexpected(worker_.lost({ErrorKind::transient, "no end in time"}));
      if (now >= ended.due()) ended.hand_on();
      if (!worker_.wait(std::min({deadline, ended.due(), now + kStopLatency}))) continue;
      NetEvent event = TRY(next(claims));
      if (claims.ended()) return read_end(claims);
      if (auto* const finished = std::get_if<tell::Finished>(&event))
        ended.add(std::move(finished->outcome));
      else
        TRY(std::visit([&](const auto& each) { return act(host, each); }, event));
    }
  }

  Result<> read_end(const Claims& claims) {
    TRY(worker_.read<void>(kAnswerTime));
    if (claims.complete()) return {};
    return std::unexpected(
        worker_.lost({ErrorKind::rejected, "its end before that of every certificate"}));
  }

  Result<NetEvent> next(Claims& claims) {
    auto event = decode<NetEvent>(TRY(worker_.receive(kAnswerTime)));
    if (!event) return std::unexpected(worker_.lost(event.error()));
    if (auto good = claims.check(*event); !good) return std::unexpected(worker_.lost(good.error()));
    return event;
  }

  Result<> act(acme::Host& host, const tell::SaveOrders& event) {
    return worker_.send(encode(host.save_orders(event.records)));
  }
  Result<> act(acme::Host& host, const tell::Publish& event) {
    return worker_.send(encode(host.publish(event.response)));
  }
  Result<> act(acme::Host& host, const tell::Retract& event) {
    host.retract(event.response);
    return {};
  }
  Result<> act(acme::Host& host, const tell::Progress& event) {
    host.progress(event.id, event.step);
    return {};
  }
  // follow() has to do with those.
  Result<> act(acme::Host&, const tell::Finished&) { return {}; }
  Result<> act(acme::Host&, const tell::Ended&) { return {}; }

  Worker worker_;
  KeeperProcess* keeper_ = nullptr;  // of whom net is a client
  const std::string origin_;
};

class EdgeProcess : public challenge::Responder {
 public:
  explicit EdgeProcess(Worker worker) : worker_(std::move(worker)) {}
  Result<> publish(const std::string& token, const std::string& key_authorization) override {
    return worker_.call<EdgeRequest>(ask_edge::Publish{token, key_authorization});
  }
  void retract(const std::string& token) override {
    static_cast<void>(worker_.call<EdgeRequest>(ask_edge::Retract{token}));
  }

 private:
  Worker worker_;
};

class MetricsProcess : public MetricsPage {
 public:
  explicit MetricsProcess(Worker worker) : worker_(std::move(worker)) {}
  Result<> show(const base::FileDescriptor& text) override {
    return worker_.call<MetricsRequest>(ShowMetrics{}, kAnswerTime, &text);
  }

 private:
  Worker worker_;
};

// SHA-256 in lower-case hexadecimal.
bool is_fingerprint(std::string_view text) {
  constexpr std::size_t kDigits = 64;
  return text.size() == kDigits && text.find_first_not_of("0123456789abcdef") == text.npos;
}

// base64url and a dot (RFC 9773 §4.1), or empty.
bool is_renewal_id(std::string_view text) {
  constexpr std::size_t kMostBytes = 200;
  return text.size() <= kMostBytes && std::ranges::all_of(text, [](unsigned char c) {
           return std::isalnum(c) || c == '-' || c == '_' || c == '.';
         });
}

// What verify says of a certificate that we did not get just now, checked likewise.
Result<> check_leaf(const crypto::LeafFacts& facts) {
  if (!is_fingerprint(facts.fingerprint)) return base::rejected("a fingerprint that is none");
  if (!is_renewal_id(facts.renewal_id)) return base::rejected("a renewal id that is none");
  return {};
}

// What verify says of a request, checked: its names become paths.
Result<> check_request(const crypto::RequestFacts& facts) {
  const bool good = std::ranges::all_of(facts.names, [](const std::string& name) {
    const auto parsed = base::parse_domain_name(name);
    return parsed && *parsed == name;
  });
  if (good && !facts.names.empty()) return {};
  return base::rejected("names that are none");
}

class ScoutProcess : public scan::Scout {
 public:
  explicit ScoutProcess(Worker worker) : worker_(std::move(worker)) {}

  Result<std::vector<scan::Whereabouts>> look_up(const std::vector<std::string>& names,
                                                 base::Milliseconds patience) override {
    auto found = TRY(worker_.call<NetRequest>(ask_net::LookUp{names, patience}));
    for (scan::Whereabouts& each : found) {
      each.problem = base::printable(each.problem);
      for (const std::string& address : each.addresses)
        if (base::canonical_address(address) != address)
          return std::unexpected(worker_.lost({ErrorKind::rejected, "an address that is none"}));
    }
    return found;
  }
  Result<scan::Answer> get(const scan::Target& target, const std::string& host,
                           const std::string& path, base::Milliseconds timeout) override {
    return worker_.call<NetRequest>(ask_net::Get{target, host, path, timeout},
                                    timeout + kAnswerTime);
  }

 private:
  Worker worker_;
};

// What verify says, checked: a chain that a keeper of ours could serve.
Result<> check_chain(const crypto::EncodedChain& chain,
                     const crypto::ExpectedCertificate& expected) {
  constexpr std::size_t kMostCertificates = 10;
  if (chain.certificates.empty() || chain.certificates.size() > kMostCertificates)
    return base::rejected("a chain that is none");
  if (!chain.certificates.front().contains(expected.public_key_der))
    return base::rejected("a leaf without our key");
  if (!is_fingerprint(chain.fingerprint)) return base::rejected("a fingerprint that is none");
  if (!is_renewal_id(chain.renewal_id)) return base::rejected("a renewal id that is none");
  if (chain.not_before > expected.now || chain.not_after <= expected.now)
    return base::rejected("a leaf that is not valid now");
  return {};
}

}  // namespace

class ProcessWorkers::VerifyProcess : public crypto::Verifier {
 public:
  explicit VerifyProcess(Worker worker) : worker_(std::move(worker)) {}

  Result<crypto::EncodedChain> verify(std::string_view pem,
                                      const crypto::ExpectedCertificate& expected) override {
    if (pem.size() > kMostChainBytes) return base::rejected("the chain is too large");
    auto chain = TRY(worker_.call<VerifyRequest>(ask_verify::Verify{std::string(pem), expected}));
    if (auto good = check_chain(chain, expected); !good)
      return std::unexpected(worker_.lost(good.error()));
    return chain;
  }

  Result<crypto::LeafFacts> inspect(std::string_view pem) override {
    if (pem.size() > kMostChainBytes) return base::invalid("the chain is too large");
    auto facts = TRY(worker_.call<VerifyRequest>(ask_verify::Inspect{std::string(pem)}));
    if (auto good = check_leaf(facts); !good) return std::unexpected(worker_.lost(good.error()));
    return facts;
  }

  Result<crypto::RequestFacts> read_request(std::string_view bytes) override {
    if (bytes.size() > kMostChainBytes)
      return base::invalid("the certificate request is too large");
    auto facts = TRY(worker_.call<VerifyRequest>(ask_verify::ReadRequest{std::string(bytes)}));
    if (auto good = check_request(facts); !good) return std::unexpected(worker_.lost(good.error()));
    return facts;
  }

 private:
  Worker worker_;
};

class ProcessWorkers::ExamineProcess : public crypto::KeyExaminer {
 public:
  explicit ExamineProcess(Worker worker) : worker_(std::move(worker)) {}

  Result<crypto::KeyInFile> examine(const base::FileDescriptor& file) override {
    return worker_.call<KeeperRequest>(ask_keeper::ExamineKey{}, kAnswerTime, &file);
  }

 private:
  Worker worker_;
};

class ProcessWorkers::VisitProcess : public scan::Visitor {
 public:
  VisitProcess(Worker worker, std::set<std::uint16_t> ports)
      : worker_(std::move(worker)), ports_(std::move(ports)) {}

  Result<> use_servers() {
    return worker_.post<NetRequest>(ask_net::UseServers{{ports_.begin(), ports_.end()}});
  }
  bool reaches(std::span<const std::uint16_t> ports) const {
    return std::ranges::all_of(ports, [&](std::uint16_t port) { return ports_.contains(port); });
  }

  Result<scan::Leaf> handshake(const scan::Target& target, const std::string& server_name,
                               base::Milliseconds timeout) override {
    auto leaf = TRY(worker_.call<NetRequest>(ask_net::Handshake{target, server_name, timeout},
                                             timeout + kAnswerTime));
    leaf.issuer = base::printable(leaf.issuer);
    if (!is_fingerprint(leaf.fingerprint))
      return std::unexpected(worker_.lost({ErrorKind::rejected, "a fingerprint that is none"}));
    return leaf;
  }
  Result<scan::Answer> get(const scan::Target& target, const std::string& host,
                           const std::string& path, base::Milliseconds timeout) override {
    return worker_.call<NetRequest>(ask_net::Get{target, host, path, timeout},
                                    timeout + kAnswerTime);
  }

 private:
  Worker worker_;
  const std::set<std::uint16_t> ports_;
};

ProcessWorkers::ProcessWorkers(Strictness strictness, RunContext run)
    : strictness_(strictness), run_(std::move(run)) {}
ProcessWorkers::~ProcessWorkers() = default;

RoleOptions ProcessWorkers::options(Role role) {
  RoleOptions options{.identity = {}, .strictness = strictness_, .probe = {}, .metrics = {}};
  if (::geteuid() != 0) return options;
  if (!identities_) identities_ = find_identities();
  options.identity = role == Role::keeper ? identities_->keys : identities_->workers;
  return options;
}

Result<Worker> ProcessWorkers::start(Role role, const Channel* peer) {
  return Worker::start(role, options(role), run_, peer);
}

std::vector<std::string> ProcessWorkers::users_to_make() const {
  if (::geteuid() != 0 || have_system_users()) return {};
  return {kWorkersUser, kKeysUser};
}

Result<> ProcessWorkers::make_users(CommandRunner& commands) {
  identities_.reset();  // to be found anew
  return make_system_users(commands);
}

// Net first: it has the longest way to go.
Result<CaWorkers> ProcessWorkers::open_ca(const std::string& directory_url,
                                          const base::FileDescriptor& trusted) {
  const std::string origin = TRY(http::https_origin(directory_url));
  const auto [for_net, for_keeper] = TRY(Channel::make_pair());
  auto net = std::make_unique<NetProcess>(TRY(start(Role::net, &for_net)), origin);
  TRY(net->use_ca(directory_url, trusted));
  auto keeper = std::make_unique<KeeperProcess>(TRY(start(Role::keeper, &for_keeper)));
  net->need(*keeper);
  TRY(keeper->use_ca(directory_url));
  return CaWorkers{std::move(keeper), std::move(net)};
}

Result<crypto::Verifier*> ProcessWorkers::verifier() {
  if (!verifier_) verifier_ = std::make_unique<VerifyProcess>(TRY(start(Role::verify)));
  return verifier_.get();
}

// Nobody is at the other end of its second channel.
Result<crypto::KeyExaminer*> ProcessWorkers::key_examiner() {
  if (!examiner_) {
    const auto [nobody, for_keeper] = TRY(Channel::make_pair());
    examiner_ = std::make_unique<ExamineProcess>(TRY(start(Role::keeper, &for_keeper)));
  }
  return examiner_.get();
}

Result<scan::Visitor*> ProcessWorkers::visitor(std::span<const std::uint16_t> ports) {
  if (visitor_ && visitor_->reaches(ports)) return visitor_.get();
  visitor_ = std::make_unique<VisitProcess>(TRY(start(Role::net)),
                                            std::set<std::uint16_t>(ports.begin(), ports.end()));
  TRY(visitor_->use_servers());
  return visitor_.get();
}

// A net of its own for each: what a server sends ends with its process.
Result<> ProcessWorkers::deliver(const notify::Delivery& delivery,
                                 const base::FileDescriptor& trusted) {
  Worker worker = TRY(start(Role::net));
  return worker.call<NetRequest>(ask_net::Deliver{delivery}, kAnswerTime, &trusted);
}

Result<std::unique_ptr<scan::Scout>> ProcessWorkers::scout() {
  return std::make_unique<ScoutProcess>(TRY(start(Role::net)));
}

Result<std::unique_ptr<challenge::Responder>> ProcessWorkers::standalone_responder() {
  return std::make_unique<EdgeProcess>(TRY(start(Role::edge)));
}

Result<std::unique_ptr<MetricsPage>> ProcessWorkers::metrics_page(
    const base::SocketAddress& address) {
  RoleOptions metrics = options(Role::edge);
  metrics.metrics = address;
  return std::make_unique<MetricsProcess>(TRY(Worker::start(Role::edge, metrics, run_)));
}

}  // namespace everseal::privsep
