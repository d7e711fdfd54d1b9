#include "ca/loopback_transport.h"

#include "acme/runner.h"
#include "ca/front_end_fixture.h"

namespace everseal::ca {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using namespace std::chrono_literals;

// Signs for an account and makes certificate requests for the names of each issuance.
class Signer : public acme::Signer {
 public:
  Result<std::string> sign(const crypto::JwsHeader& header, const acme::Payload& payload) override {
    return crypto::sign_jws(account_key_, header, TRY(std::visit(Text{*this}, payload)));
  }

  std::map<std::uint64_t, std::vector<std::string>> names;  // by issuance
  const crypto::PrivateKey key = *crypto::PrivateKey::generate(crypto::KeyType::ecdsa_p256);

 private:
  struct Text {
    const Signer& signer;
    using Written = Result<std::string>;
    Written operator()(const acme::payload::PostAsGet&) const { return acme::kPostAsGet; }
    Written operator()(const acme::payload::FindAccount&) const { return acme::kFindAccount; }
    Written operator()(const acme::payload::NewAccount&) const {
      return acme::new_account_json({.terms_agreed = true}, "");
    }
    Written operator()(const acme::payload::NewOrder& order) const {
      return acme::new_order_json(order.names);
    }
    Written operator()(const acme::payload::AnswerChallenge&) const {
      return acme::kAnswerChallenge;
    }
    Written operator()(const acme::payload::Deactivate&) const { return acme::kDeactivate; }
    Written operator()(const acme::payload::Finalize& finalize) const {
      return acme::finalize_json(
          TRY(crypto::make_certificate_request(signer.key, signer.names.at(finalize.id))));
    }
  };
  const crypto::PrivateKey account_key_ =
      *crypto::PrivateKey::generate(crypto::KeyType::ecdsa_p256);
};

// Publishes nothing: the validator believes.
class Host : public acme::Host {
 public:
  Result<> save_orders(std::span<const acme::OrderRecord>) override { return {}; }
  Result<> publish(const acme::ChallengeResponse& response) override {
    published.insert(response.name);
    return {};
  }
  void retract(const acme::ChallengeResponse& response) override { published.erase(response.name); }
  void progress(std::uint64_t, acme::Step) override {}
  void finished(std::span<const acme::Outcome> all) override {
    for (const acme::Outcome& each : all) outcomes.emplace(each.id, each);
  }
  std::set<std::string> published;
  std::map<std::uint64_t, acme::Outcome> outcomes;
};

// The client as it is against the CA as it is.
class Loopback : public FrontEndTest {
 protected:
  Loopback() { EXPECT_TRUE(client_.register_account()); }

  void issue(std::uint64_t id, std::vector<std::string> names) {
    signer_.names[id] = names;
    requests_.push_back({.id = id, .names = std::move(names)});
  }
  void run() {
    ASSERT_TRUE(acme::run(client_, std::exchange(requests_, {}), host_, {.most_at_once = 1000}));
  }
  std::string outcome(std::uint64_t id) {
    const acme::Outcome& outcome = host_.outcomes.at(id);
    if (!outcome.chain) return outcome.chain.error().message;
    const auto chain =
        crypto::verify_chain(*outcome.chain, {.public_key_der = signer_.key.public_key_der(),
                                              .names = signer_.names.at(id),
                                              .now = clock_.now()});
    return chain ? "issued" : chain.error().message;
  }

  // How many requests a resource had since the last look.
  std::int64_t asked(const std::string& resource) {
    auto now = front_end_.requests();
    return now[resource] - counted_[resource];
  }
  std::map<std::string, std::int64_t> counted_;

  LoopbackTransport transport_{front_end_, clock_};
  Signer signer_;
  acme::Client client_{transport_, signer_, clock_, url("/directory")};
  Host host_;
  std::vector<acme::IssuanceRequest> requests_;
};

TEST_F(Loopback, IssuesWithoutSocketOrSleep) {
  issue(1, {"example.com", "www.example.com"});
  run();
  EXPECT_EQ(outcome(1), "issued");
  EXPECT_THAT(host_.published, IsEmpty());
  EXPECT_THAT(validator_.asked, SizeIs(2));
}

TEST_F(Loopback, IssuesAHundredAtOnce) {
  for (std::uint64_t i = 0; i < 100; i++) issue(i, {fmt::format("n{}.example.com", i)});
  run();
  for (std::uint64_t i = 0; i < 100; i++) EXPECT_EQ(outcome(i), "issued");
}

TEST_F(Loopback, SaysWhyAValidationFailed) {
  validator_.refused["a.com"] = {.type = "unauthorized", .detail = "404", .status = 403};
  issue(1, {"a.com", "b.com"});
  run();
  EXPECT_EQ(outcome(1), "a.com: unauthorized: 404");
}

TEST_F(Loopback, RepliesThatAreLostAreRecovered) {
  ASSERT_TRUE(front_end_.faults().add(R"({"fault": [
      {"resource": "new-order", "times": 1, "drop": "after"},
      {"resource": "finalize", "times": 1, "drop": "after"},
      {"resource": "cert", "times": 1, "drop": "before"}]})"));
  issue(1, {"a.com"});
  run();
  EXPECT_EQ(outcome(1), "issued");
  EXPECT_EQ(*ledger_.order(2), std::nullopt);
}

TEST_F(Loopback, FaultA15_WhatIsStuckIsKeptWithinABudgetAndResumed) {
  for (const char* fault : {R"({"fault": [{"resource": "challenge", "hold": true}]})",
                            R"({"fault": [{"resource": "order", "set": {"/status": "processing"}},
                      {"resource": "finalize", "set": {"/status": "processing"}}]})"}) {
    front_end_.faults().clear();
    ASSERT_TRUE(front_end_.faults().add(fault));
    issue(1, {"a.com"});
    run();
    EXPECT_THAT(outcome(1), HasSubstr("after 300 seconds"));
    const acme::Outcome stuck = host_.outcomes.extract(1).mapped();
    EXPECT_EQ(stuck.chain.error().kind, ErrorKind::transient);
    EXPECT_LT(asked("authz") + asked("order"), 100);
    front_end_.faults().clear();
    ASSERT_TRUE(front_end_.resume());
    requests_.push_back({.id = 1, .names = {"a.com"}, .order_url = stuck.order_url});
    run();
    EXPECT_EQ(outcome(1), "issued") << fault;
    host_.outcomes.clear();
    EXPECT_EQ(asked("new-order"), 1);
    counted_ = front_end_.requests();
  }
}

TEST_F(Loopback, DelaysPassOnTheClock) {
  ASSERT_TRUE(front_end_.faults().add(
      R"({"fault": [{"resource": "new-order", "times": 1, "delay": "30s"}]})"));
  issue(1, {"a.com"});
  run();
  EXPECT_EQ(outcome(1), "issued");
  EXPECT_GE(clock_.steady_now(), Instant(30s));
}

TEST_F(Loopback, ACaThatIsDownIsTransient) {
  transport_.is_down = true;
  issue(1, {"a.com"});
  run();
  EXPECT_EQ(host_.outcomes.at(1).chain.error().kind, ErrorKind::transient);
  EXPECT_THAT(outcome(1), HasSubstr("the connection was refused"));
}

}  // namespace
}  // namespace everseal::ca
