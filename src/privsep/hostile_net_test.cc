// Net, or verify, replaced by an enemy, on the channels of the real monitor and the real keeper.
//
// The test program plays the roles itself: started again as `everseal role net` it is hostile, in
// the way that the CA's host names, and as verify in the way of what it is given to read; every
// other role is the real one.
#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "privsep/messages.h"
#include "privsep/process_workers.h"
#include "privsep/roles.h"
#include "privsep/service.h"

namespace everseal::privsep {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
namespace payload = acme::payload;

const std::string kToken(30, 'a');

// The enemy.
class HostileNet {
 public:
  HostileNet(Channel monitor, Channel keeper)
      : monitor_(std::move(monitor)), keeper_(std::move(keeper)) {}

  [[noreturn]] void run() {
    static_cast<void>(say_ready(monitor_, {}, Strictness::required));
    for (;;) {
      const auto packet = monitor_.receive();
      if (!packet) ::_exit(0);
      auto request = decode<NetRequest>(packet->bytes);
      if (!request) ::_exit(3);
      std::visit([this](auto& each) { answer(each); }, *request);
    }
  }

 private:
  void answer(const ask_net::UseCa& request) {
    way_ = request.directory_url.substr(std::string_view("https://").size());
    way_ = way_.substr(0, way_.find('.'));
    reply(Result<>());
  }
  void answer(const ask_net::RegisterAccount&) {
    reply(Result<std::string>(way_ == "account-elsewhere" ? "https://evil.test/1"
                                                          : "https://ca.test/1"));
  }
  void answer(const ask_net::UseAccount&) { reply(Result<>()); }
  void answer(const ask_net::AddIssuance&) { reply(Result<>()); }
  void answer(const ask_net::Run&) {
    attack();
    tell(tell::Finished{{.id = 1, .chain = base::rejected(said_)}});
    tell(tell::Ended{});
    reply(Result<>());
  }
  template <class Request>
  void answer(const Request&) {
    ::_exit(4);
  }

  // ---- Against the monitor

  void attack() {
    if (way_ == "foreign-id") return tell(tell::Progress{99, acme::Step::ordering});
    if (way_ == "foreign-name") return tell(tell::Publish{{1, "evil.com", kToken}});
    if (way_ == "hostile-token") return tell(tell::Publish{{1, "a.com", "../../etc/cron.d/x"}});
    if (way_ == "foreign-order") return tell(tell::SaveOrders{{{1, "https://evil.test/1"}}});
    if (way_ == "no-kind") return raw(std::string(8, '\xff'));
    if (way_ == "cut") return raw(encode(NetEvent(tell::Progress{1, {}})).substr(0, 12));
    if (way_ == "large") return raw(std::string(kMostMessageBytes + 1, 'x'));
    if (way_ == "empty") return raw("");
    if (way_ == "descriptor") return with_descriptor();
    if (way_ == "twice") return tell(tell::Finished{{.id = 1, .chain = "x"}});
    if (way_ == "early") return finish_early();
    if (way_ == "exit") ::_exit(7);
    if (way_ == "silence") std::this_thread::sleep_for(base::Seconds(60));
    if (way_ == "endless")
      for (;;) tell(tell::Progress{1, acme::Step::ordering});
    if (way_ == "many-challenges")
      for (int i = 0;; ++i) ask_monitor(tell::Publish{{1, "a.com", fmt::format("{:030}", i)}});
    if (way_ == "many-orders")
      for (;;) ask_monitor(tell::SaveOrders{{{1, "https://many-orders.test/order/1"}}});
    if (way_ == "publish-and-exit") {
      tell(tell::Publish{{1, "a.com", kToken}});
      static_cast<void>(monitor_.receive());
      ::_exit(7);
    }
    if (way_ == "escapes") said_ = "\x1b[31m\r\n" + std::string(50'000, 'y');
    attack_keeper();
  }

  void ask_monitor(const NetEvent& event) {
    tell(event);
    if (!monitor_.receive()) ::_exit(0);
  }
  void finish_early() {
    tell(tell::Ended{});
    reply(Result<>());
    ::_exit(0);
  }
  void with_descriptor() {
    const base::FileDescriptor file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    static_cast<void>(monitor_.send(encode(NetEvent(tell::Progress{1, {}})), &file));
  }

  // ---- Against the keeper: what it says is told as the reason of the failure

  void attack_keeper() {
    const std::string url = "https://" + way_ + ".test/x";
    if (way_ == "sign-elsewhere") said_ = sign("https://evil.test/x", payload::PostAsGet());
    if (way_ == "other-port") said_ = sign("https://other-port.test:444/", payload::PostAsGet());
    if (way_ == "other-names") said_ = sign(url, payload::NewOrder{{"a.com", "evil.com"}});
    if (way_ == "other-request") said_ = sign(url, payload::Finalize{2});
    if (way_ == "deactivate") said_ = sign(account(), payload::Deactivate());
    if (way_ == "deactivate-alias") said_ = sign(account("01"), payload::Deactivate());
    if (way_ == "other-account")
      said_ = ask({{account(), "n", account("01")}, payload::Deactivate()});
    if (way_ == "other-profile") said_ = sign(url, payload::NewOrder{{"a.com"}, "", "other"});
    if (way_ == "other-replaced") said_ = sign(url, payload::NewOrder{{"a.com"}, "other.id", ""});
    if (way_ == "change-key") said_ = sign(url, payload::ChangeKey());
    if (way_ == "new-account") said_ = ask({{url, "n", ""}, payload::NewAccount()});
    if (way_ == "keeper-garbage") said_ = send_keeper("garbage");
    if (way_ == "keeper-monitor-request")
      said_ = send_keeper(encode(KeeperRequest(ask_keeper::AllowRegistration{})));
  }
  std::string sign(const std::string& url, const acme::Payload& what) {
    return ask({{url, "n", account()}, what});
  }
  std::string account(const std::string& id = "1") {
    return "https://" + way_ + ".test/account/" + id;
  }
  std::string ask(const Sign& request) { return send_keeper(encode(SignerRequest(request))); }
  std::string send_keeper(const std::string& bytes) {
    static_cast<void>(keeper_.send(bytes));
    const auto packet = keeper_.receive();
    if (!packet) return "hung up: " + packet.error().message;
    const auto signature = decode<Result<std::string>>(packet->bytes);
    if (!signature) return "nonsense";
    return *signature ? "signed" : signature->error().message;
  }

  void tell(const NetEvent& event) { raw(encode(event)); }
  template <class Answer>
  void reply(const Answer& answer) {
    raw(encode(answer));
  }
  void raw(const std::string& bytes) {
    if (::send(monitor_.socket().get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) < 0) ::_exit(5);
  }

  const Channel monitor_, keeper_;
  std::string way_, said_ = "nothing";
};

// The other enemy: says of what it reads whatever that is.
class HostileVerify {
 public:
  bool allows(const auto&) const { return true; }
  Result<crypto::EncodedChain> handle(ask_verify::Verify& request,
                                      std::span<const base::FileDescriptor>) {
    return crypto::EncodedChain{.certificates = {request.expected.public_key_der},
                                .not_before = request.expected.now,
                                .not_after = request.expected.now + base::Seconds(1),
                                .fingerprint = std::string(64, '0'),
                                .renewal_id = request.pem};
  }
  Result<crypto::LeafFacts> handle(ask_verify::Inspect&, std::span<const base::FileDescriptor>) {
    return crypto::LeafFacts{};
  }
  Result<crypto::RequestFacts> handle(ask_verify::ReadRequest& request,
                                      std::span<const base::FileDescriptor>) {
    return crypto::RequestFacts{.der = "", .public_key_der = "", .names = {request.bytes}};
  }
};

[[noreturn]] void play_verify() {
  const Channel monitor{base::FileDescriptor(kMonitorDescriptor)};
  static_cast<void>(say_ready(monitor, {}, Strictness::required));
  HostileVerify enemy;
  while (serve_one<VerifyRequest>(monitor, enemy)) {
  }
  ::_exit(0);
}

// Remembers what reached it.
class Host : public acme::Host {
 public:
  Result<> save_orders(std::span<const acme::OrderRecord> records) override {
    for (const auto& each : records) happened.push_back("save " + each.url);
    return {};
  }
  Result<> publish(const acme::ChallengeResponse& response) override {
    happened.push_back("publish " + response.name);
    return {};
  }
  void retract(const acme::ChallengeResponse& response) override {
    happened.push_back("retract " + response.name);
  }
  void progress(std::uint64_t, acme::Step) override {}
  void finished(std::span<const acme::Outcome> outcomes) override {
    for (const auto& each : outcomes)
      happened.push_back(each.chain ? "issued" : each.chain.error().message);
  }

  std::vector<std::string> happened;
};

// FaultS11 and C12.
class HostileNetTest : public testing::Test {
 protected:
  // What the monitor says of a run against a net that is hostile in this way; empty if nothing.
  std::string run(const std::string& way) {
    const base::FileDescriptor trusted(::memfd_create("trusted", MFD_CLOEXEC));
    auto ca = workers_.open_ca("https://" + way + ".test/dir", trusted);
    EXPECT_TRUE(ca) << ca.error().message;
    const base::FileDescriptor account(::memfd_create("account", MFD_CLOEXEC));
    const base::FileDescriptor key(::memfd_create("key", MFD_CLOEXEC));
    EXPECT_TRUE(ca->keeper->make_account_key(account));
    EXPECT_TRUE(ca->net->use_account("https://" + way + ".test/account/1"));
    const auto made =
        ca->keeper->make_key(1, {{"a.com"}, "", ""}, crypto::KeyType::ecdsa_p256, key);
    EXPECT_TRUE(made) << made.error().message;
    acme::RunnerOptions options;
    options.deadline = base::Milliseconds(500);
    host_ = {};
    const auto result = ca->net->run({{.id = 1, .names = {"a.com"}}}, host_, options);
    keeper_lives_ =
        ca->keeper->make_key(2, {{"b.com"}, "", ""}, crypto::KeyType::ecdsa_p256, key).has_value();
    return result ? "" : result.error().message;
  }

  // What the keeper said to it.
  std::string keeper_said(const std::string& way) {
    EXPECT_EQ(run(way), "");
    EXPECT_TRUE(keeper_lives_);
    return host_.happened.empty() ? "nothing" : host_.happened.back();
  }

  ProcessWorkers workers_{Strictness::required, {.tell = [](const std::string&) {}}};
  Host host_;
  bool keeper_lives_ = false;
};

TEST_F(HostileNetTest, GetsNoSignatureThatIsNotDue) {
  EXPECT_EQ(keeper_said("sign-elsewhere"), "not signed: https://evil.test/x is not at the CA");
  EXPECT_EQ(keeper_said("other-port"), "not signed: https://other-port.test:444/ is not at the CA");
  EXPECT_EQ(keeper_said("other-names"), "not signed: an order that is not planned");
  EXPECT_EQ(keeper_said("other-request"), "not signed: a certificate that is not planned");
  EXPECT_EQ(keeper_said("other-profile"), "not signed: an order that is not planned");
  EXPECT_EQ(keeper_said("other-replaced"), "not signed: an order that is not planned");
  EXPECT_EQ(keeper_said("deactivate"), "not signed: this could change the account");
  EXPECT_EQ(keeper_said("deactivate-alias"), "not signed: this could deactivate the account");
  EXPECT_EQ(keeper_said("other-account"), "not signed: the account is not named as it must be");
  EXPECT_EQ(keeper_said("new-account"), "not signed: no account may be made");
  EXPECT_EQ(keeper_said("change-key"), "not signed: the account's key is not to be changed");
}

TEST_F(HostileNetTest, LosesTheKeeperWhenItSendsWhatItMayNot) {
  EXPECT_EQ(keeper_said("keeper-garbage"), "hung up: the other side is gone");
  EXPECT_EQ(keeper_said("keeper-monitor-request"), "hung up: the other side is gone");
}

TEST_F(HostileNetTest, IsEndedWhenItSendsWhatItMayNot) {
  const std::string stopped = "the net process was stopped: it sent ";
  EXPECT_EQ(run("foreign-id"), stopped + "something about a certificate that was not asked for");
  EXPECT_EQ(run("foreign-name"), stopped + "a challenge for a name that was not asked for");
  EXPECT_EQ(run("hostile-token"), stopped + "a challenge with a hostile token");
  EXPECT_EQ(run("foreign-order"), stopped + "a URL that is not the CA's");
  EXPECT_EQ(run("no-kind"), stopped + "a message that is none");
  EXPECT_EQ(run("cut"), stopped + "a message that is none");
  EXPECT_EQ(run("large"), stopped + "a message between processes is too large");
  EXPECT_EQ(run("descriptor"), stopped + "a descriptor that nobody wants");
  EXPECT_EQ(run("twice"), stopped + "something about a certificate that was not asked for");
  EXPECT_EQ(run("early"), stopped + "its end before that of every certificate");
  EXPECT_TRUE(keeper_lives_);
}

TEST_F(HostileNetTest, FaultS11_IsEndedWhenItSendsMoreThanCanBeNeeded) {
  const std::string stopped = "the net process was stopped: it sent more ";
  EXPECT_EQ(run("endless"), stopped + "steps than a certificate can need");
  EXPECT_EQ(run("many-challenges"), stopped + "challenges than a name can need");
  EXPECT_EQ(std::ranges::count(host_.happened, "publish a.com"), 10);
  EXPECT_EQ(std::ranges::count(host_.happened, "retract a.com"), 10);
  EXPECT_EQ(run("many-orders"), stopped + "orders than a certificate can need");
  EXPECT_EQ(host_.happened.size(), 20u);
}

TEST_F(HostileNetTest, CannotHang) {
  EXPECT_EQ(run("silence"),
            "the net process does not answer; run again, what was begun is resumed");
  EXPECT_EQ(run("exit"),
            "the net process ended with status 7; run again, what was begun is resumed");
  EXPECT_THAT(run("empty"), HasSubstr("the net process "));
  EXPECT_THAT(host_.happened, IsEmpty());
}

TEST_F(HostileNetTest, LeavesNoChallengeBehind) {
  EXPECT_THAT(run("publish-and-exit"), HasSubstr("ended with status 7"));
  EXPECT_THAT(host_.happened, ElementsAre("publish a.com", "retract a.com"));
}

TEST_F(HostileNetTest, FaultA30_CannotWriteOnTheTerminal) {
  EXPECT_EQ(run("escapes"), "");
  ASSERT_EQ(host_.happened.size(), 1u);
  EXPECT_TRUE(host_.happened[0].starts_with("\\x1b[31m\\x0d\\x0ayyy"));
  EXPECT_LT(host_.happened[0].size(), 2100u);
}

TEST_F(HostileNetTest, CannotNameAnAccountElsewhere) {
  const base::FileDescriptor trusted(::memfd_create("trusted", MFD_CLOEXEC));
  auto ca = workers_.open_ca("https://account-elsewhere.test/dir", trusted);
  ASSERT_TRUE(ca);
  const auto url = ca->net->register_account();
  ASSERT_FALSE(url);
  EXPECT_EQ(url.error().message,
            "the net process was stopped: it sent an account that is not at the CA");
}

// Names become directories of the state directory, the renewal id a part of URLs.
TEST(HostileVerifyTest, FaultS11_SaysNothingThatIsAPath) {
  for (const char* name : {"../../etc/x", "a.com/..", "A.com", "a..com", ".", "a.com\n"}) {
    ProcessWorkers workers{Strictness::required, {.tell = [](const std::string&) {}}};
    const auto facts = (*workers.verifier())->read_request(name);
    ASSERT_FALSE(facts) << name;
    EXPECT_EQ(facts.error().message, "the verify process was stopped: it sent names that are none");
  }
  ProcessWorkers workers{Strictness::required, {.tell = [](const std::string&) {}}};
  EXPECT_TRUE((*workers.verifier())->read_request("a.com"));
  const crypto::ExpectedCertificate expected{"key", {"a.com"}, Time(base::Seconds(1000))};
  EXPECT_TRUE((*workers.verifier())->verify("one.id", expected));
  const auto chain = (*workers.verifier())->verify("one/../id", expected);
  ASSERT_FALSE(chain);
  EXPECT_EQ(chain.error().message,
            "the verify process was stopped: it sent a renewal id that is none");
}

}  // namespace

// What this program is when it is started as a role.
[[noreturn]] void play(std::span<const char* const> arguments) {
  if (std::string_view(arguments[2]) == "verify") play_verify();
  if (std::string_view(arguments[2]) != "net") ::_exit(run_role(arguments));
  HostileNet(Channel(base::FileDescriptor(kMonitorDescriptor)),
             Channel(base::FileDescriptor(kPeerDescriptor)))
      .run();
}

}  // namespace everseal::privsep

int main(int argc, char** argv) {
  if (argc > 2 && std::string_view(argv[1]) == "role")
    everseal::privsep::play({argv, static_cast<std::size_t>(argc)});
  testing::InitGoogleMock(&argc, argv);
  return RUN_ALL_TESTS();
}
