#include "ca/loopback_transport.h"

#include "acme/renewal_info.h"
#include "ca/front_end_fixture.h"
#include "ca/loopback_fixture.h"

namespace everseal::ca {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using namespace std::chrono_literals;

// The client as it is against the CA as it is.
class Loopback : public FrontEndTest {
 protected:
  Loopback() { EXPECT_TRUE(client_.register_account()); }

  void issue(acme::IssuanceRequest request) {
    signer_.names[request.id] = request.names;
    requests_.push_back(std::move(request));
  }
  void issue(std::uint64_t id, std::vector<std::string> names) {
    issue({.id = id, .names = std::move(names)});
  }
  crypto::Certificate certificate(std::uint64_t id) {
    return crypto::CertificateChain::from_pem(*host_.outcomes.at(id).chain)->leaf();
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
  LoopbackSigner signer_;
  acme::Client client_{transport_, signer_, clock_, url("/directory")};
  LoopbackHost host_;
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

TEST_F(Loopback, RenewsInsideTheWindow) {
  issue({.id = 1, .names = {"a.com"}, .profile = "shortlived"});
  run();
  const std::vector<std::string> ids = {*crypto::renewal_id(certificate(1)), "AAAA.BBBB"};
  const auto info = *acme::fetch_renewal_info(client_, ids);
  EXPECT_EQ(info.at(0).ask_again, 6h);
  EXPECT_EQ(base::to_rfc3339(info.at(0).window->start), "2026-11-24T09:24:00Z");
  EXPECT_EQ(info.at(1).window.error().message, "malformed: there is no such certificate");
  issue({.id = 2, .names = {"a.com"}, .replaces = ids[0], .profile = "shortlived"});
  issue({.id = 3, .names = {"a.com"}, .replaces = ids[0], .profile = "gold"});
  run();
  EXPECT_EQ(outcome(2) + outcome(3), "issuedissued");
  EXPECT_THAT(host_.outcomes.at(2).notices, IsEmpty());
  EXPECT_THAT(
      host_.outcomes.at(3).notices,
      ElementsAre("ordered without the profile gold: invalidProfile: there is no profile 'gold'",
                  HasSubstr("ordered as new, not as a replacement: alreadyReplaced: another")));
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
