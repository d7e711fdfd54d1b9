#include "acme/runner.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "acme/fake_ca.h"

namespace everseal::acme {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using Fault = FakeCa::Fault;

// Remembers what it was asked.
class FakeHost : public Host {
 public:
  Result<> save_orders(std::span<const OrderRecord> records) override {
    batches.push_back(records.size());
    for (const OrderRecord& each : records) saved[each.id] = each;
    return save_result;
  }
  Result<> publish(const ChallengeResponse& response) override {
    published.insert(response.name);
    if (response.name == unpublishable) return std::unexpected(why_unpublishable);
    if (on_publish) on_publish();
    return {};
  }
  void retract(const ChallengeResponse& response) override { published.erase(response.name); }
  void progress(std::uint64_t, Step step) override { steps.emplace_back(to_string(step)); }
  void finished(std::span<const Outcome> all) override {
    for (const Outcome& each : all) outcomes.emplace(each.id, each);
  }

  std::vector<std::size_t> batches;
  std::map<std::uint64_t, OrderRecord> saved;
  std::set<std::string> published;
  std::vector<std::string> steps;
  std::map<std::uint64_t, Outcome> outcomes;
  Result<> save_result;
  std::string unpublishable;
  Error why_unpublishable{ErrorKind::internal, "no webroot"};
  std::function<void()> on_publish;
};

class Run : public testing::Test {
 protected:
  Run() { EXPECT_TRUE(client_.use_account("https://ca.test/account/1")); }

  // The outcome of one issuance.
  Outcome issue(IssuanceRequest request) {
    const std::uint64_t id = request.id;
    const auto result = run(client_, {std::move(request)}, host_, options_);
    EXPECT_TRUE(result) << result.error().message;
    EXPECT_THAT(host_.published, IsEmpty());
    const auto node = host_.outcomes.extract(id);
    return node.empty() ? Outcome{.id = 0, .chain = base::internal("no outcome")} : node.mapped();
  }
  Outcome issue() { return issue({.id = 1, .names = {"www.example.com", "example.com"}}); }

  static std::string error_of(const Outcome& outcome) {
    return outcome.chain ? "issued" : outcome.chain.error().message;
  }

  // Does something to the nth request for a path.
  void fault_at(const std::string& path, int nth, Fault fault) {
    ca_.fault = [=, n = 0](const std::string& asked, const std::string&) mutable {
      return asked == path && ++n == nth ? fault : Fault();
    };
  }
  void fault_always(const std::string& path, Fault fault) {
    ca_.fault = [=](const std::string& asked, const std::string&) {
      return asked == path ? fault : Fault();
    };
  }

  base::FakeClock clock_{*base::parse_rfc3339("2026-11-21T04:00:00Z")};
  FakeCa ca_{clock_};
  FakeSigner signer_;
  Client client_{ca_, signer_, clock_, FakeCa::kDirectory};
  FakeHost host_;
  RunnerOptions options_;
};

TEST_F(Run, IssuesACertificate) {
  const Outcome outcome = issue();
  ASSERT_TRUE(outcome.chain) << outcome.chain.error().message;
  EXPECT_EQ(*outcome.chain, ca_.orders[0].chain);
  EXPECT_EQ(outcome.order_url, "https://ca.test/order/0");
  EXPECT_THAT(host_.steps,
              ElementsAre("ordering", "authorizing", "finalizing", "downloading", "done"));
  EXPECT_THAT(host_.batches, ElementsAre(1, 1));
  EXPECT_EQ(host_.saved[1].stage, OrderStage::finalizing);
}

TEST_F(Run, OneThousandAtOnceShareTheirCommits) {
  std::vector<IssuanceRequest> requests;
  for (std::uint64_t i = 0; i < 1000; i++) {
    requests.push_back({.id = i, .names = {fmt::format("n{}.example.com", i)}});
  }
  ASSERT_TRUE(run(client_, requests, host_, {.most_at_once = 1000}));
  ASSERT_THAT(host_.outcomes, SizeIs(1000));
  for (const auto& [id, outcome] : host_.outcomes) EXPECT_EQ(error_of(outcome), "issued");
  EXPECT_THAT(ca_.orders, SizeIs(1000));
  EXPECT_LT(host_.batches.size(), 500u);
}

TEST_F(Run, RequestsAreSentNoFasterThanTheCaAllows) {
  std::vector<IssuanceRequest> requests;
  for (std::uint64_t i = 0; i < 200; i++)
    requests.push_back({.id = i, .names = {fmt::format("n{}.example.com", i)}});
  client_.pace({100, base::Milliseconds(5)});
  std::vector<Instant> sent;
  ca_.fault = [&](const std::string& path, const std::string&) {
    if (path != "/nonce" && path != "/directory") sent.push_back(clock_.steady_now());
    return Fault();
  };
  ASSERT_TRUE(run(client_, requests, host_, options_));
  for (const auto& [id, outcome] : host_.outcomes) EXPECT_EQ(error_of(outcome), "issued");
  for (std::size_t i = 200; i < sent.size(); i++)
    ASSERT_GE(sent[i] - sent[i - 200], base::Milliseconds(500)) << i;
  EXPECT_EQ(known_pace("https://acme-v02.api.letsencrypt.org/directory")->burst, 100);
  EXPECT_FALSE(known_pace("https://api.letsencrypt.org.evil.example/directory"));
}

TEST_F(Run, SameNamesAreIssuedOneAfterTheOther) {
  host_.on_publish = [&] { EXPECT_THAT(host_.published, SizeIs(1)); };
  ASSERT_TRUE(run(client_, {{.id = 1, .names = {"a.com"}}, {.id = 2, .names = {"a.com"}}}, host_));
  EXPECT_EQ(error_of(host_.outcomes.at(1)), "issued");
  EXPECT_EQ(error_of(host_.outcomes.at(2)), "issued");
}

TEST_F(Run, FaultA1_RefusedNoncesAreReplaced) {
  fault_at("/new-order", 1, {Fault::answer, FakeCa::problem(400, "badNonce", "stale")});
  EXPECT_EQ(error_of(issue()), "issued");
  EXPECT_EQ(ca_.count("POST /new-order"), 2);
}

TEST_F(Run, FaultA2_NonceStormEnds) {
  fault_always("/new-order", {Fault::answer, FakeCa::problem(400, "badNonce", "stale")});
  const Outcome outcome = issue();
  EXPECT_EQ(error_of(outcome), "badNonce: stale");
  EXPECT_EQ(outcome.chain.error().kind, ErrorKind::transient);
  EXPECT_EQ(ca_.count("POST /new-order"), 18);
  EXPECT_THAT(ca_.orders, IsEmpty());
}

TEST_F(Run, FaultA4_RateLimitTellsWhenToComeBack) {
  http::Response limited = FakeCa::problem(429, "rateLimited", "too many certificates");
  limited.headers.push_back({"Retry-After", "3600"});
  fault_always("/new-order", {Fault::answer, limited});
  const Outcome outcome = issue();
  EXPECT_EQ(error_of(outcome), "rateLimited: too many certificates");
  EXPECT_EQ(outcome.chain.error().kind, ErrorKind::transient);
  EXPECT_EQ(outcome.problem_type, "rateLimited");
  EXPECT_EQ(base::to_rfc3339(outcome.retry_at.value()), "2026-11-21T05:00:00Z");
}

TEST_F(Run, FaultA5_AtOnceIsNotAFlood) {
  http::Response limited = FakeCa::problem(429, "rateLimited", "slow down");
  limited.headers.push_back({"Retry-After", "0"});
  fault_always("/new-order", {Fault::answer, limited});
  EXPECT_EQ(error_of(issue()), "rateLimited: slow down");
  EXPECT_LE(ca_.count("POST /new-order"), 6);
  ca_.fault = [](const std::string&, const std::string&) { return Fault(); };
  ca_.retry_after = "0";
  ca_.polls_until_valid = 20;
  const Instant start = clock_.steady_now();
  EXPECT_EQ(error_of(issue()), "issued");
  EXPECT_GE(clock_.steady_now() - start, base::Seconds(10));
}

TEST_F(Run, FaultA4_ShortRateLimitIsWaitedOut) {
  http::Response limited = FakeCa::problem(503, "rateLimited", "slow down");
  limited.headers.push_back({"Retry-After", "30"});
  fault_at("/new-order", 1, {Fault::answer, limited});
  EXPECT_EQ(error_of(issue()), "issued");
  EXPECT_GE(clock_.steady_now(), Instant(base::Seconds(30)));
}

TEST_F(Run, FaultA6_OneLimitedNameStopsNoOther) {
  ca_.fault = [](const std::string& path, const std::string& payload) {
    return path == "/new-order" && payload.find("bad.com") != payload.npos
               ? Fault{Fault::answer, FakeCa::problem(429, "rateLimited", "paused: visit X")}
               : Fault();
  };
  ASSERT_TRUE(
      run(client_, {{.id = 1, .names = {"bad.com"}}, {.id = 2, .names = {"a.com"}}}, host_));
  EXPECT_EQ(error_of(host_.outcomes.at(2)), "issued");
}

TEST_F(Run, FaultA7_APauseNeedsAPersonAndIsAskedAboutDaily) {
  fault_always("/new-order",
               {Fault::answer, FakeCa::problem(429, "rateLimited", "paused: visit https://x")});
  const Outcome outcome = issue();
  EXPECT_EQ(error_of(outcome), "rateLimited: paused: visit https://x");
  EXPECT_EQ(outcome.chain.error().kind, ErrorKind::rejected);
  EXPECT_EQ(base::to_rfc3339(outcome.retry_at.value()), "2026-11-22T04:00:00Z");
  EXPECT_EQ(ca_.count("POST /new-order"), 1);
}

TEST_F(Run, FaultA5_AnEndThatCannotBeReadIsNoPause) {
  http::Response limited = FakeCa::problem(429, "rateLimited", "wait");
  limited.headers.push_back({"Retry-After", "soon"});
  fault_always("/new-order", {Fault::answer, limited});
  const Outcome outcome = issue();
  EXPECT_EQ(outcome.chain.error().kind, ErrorKind::transient);
  EXPECT_EQ(outcome.retry_at, std::nullopt);
  EXPECT_EQ(ca_.count("POST /new-order"), 1);
}

TEST_F(Run, FaultA5_NobodyIsLeftAloneForYears) {
  http::Response busy = FakeCa::problem(503, "serverInternal", "busy");
  busy.headers.push_back({"Retry-After", "315360000"});
  fault_always("/new-order", {Fault::answer, busy});
  const Outcome outcome = issue();
  EXPECT_EQ(error_of(outcome),
            "serverInternal: busy; the CA wants to be left alone for a day or longer, and is asked "
            "again in a day");
  EXPECT_EQ(base::to_rfc3339(outcome.retry_at.value()), "2026-11-22T04:00:00Z");
}

TEST_F(Run, ALimitWithoutAnEndIsNoReasonToGiveUpAnOrder) {
  const Fault limited{Fault::answer, FakeCa::problem(429, "rateLimited", "slow down")};
  fault_at("/finalize/", 1, limited);
  EXPECT_EQ(error_of(issue()), "issued");
  fault_always("/cert/", limited);
  const Outcome outcome = issue({.id = 1, .names = {"a.com"}});
  EXPECT_EQ(error_of(outcome), "rateLimited: slow down");
  EXPECT_EQ(outcome.chain.error().kind, ErrorKind::transient);
  EXPECT_EQ(outcome.order_url, "https://ca.test/order/1");
  EXPECT_LE(ca_.count("POST /cert/"), 7);
}

TEST_F(Run, FaultA8_MalformedJsonIsATypedError) {
  fault_always("/new-order", {Fault::answer,
                              {.status = 201,
                               .headers = {{"Location", "https://ca.test/order/0"}},
                               .body = std::string(100000, '[')}});
  EXPECT_EQ(error_of(issue()), "the CA's order is nested too deeply");
}

TEST_F(Run, FaultA15_StuckOrderIsKeptAndResumed) {
  ca_.polls_until_valid = 1000;
  const Outcome stuck = issue({.id = 1, .names = {"a.com"}});
  EXPECT_EQ(error_of(stuck), "a.com: the CA has not decided after 300 seconds");
  EXPECT_EQ(stuck.chain.error().kind, ErrorKind::transient);
  EXPECT_EQ(stuck.order_url, "https://ca.test/order/0");
  ca_.polls_until_valid = 0;
  EXPECT_EQ(error_of(issue({.id = 1, .names = {"a.com"}, .order_url = stuck.order_url})), "issued");
  EXPECT_THAT(ca_.orders, SizeIs(1));
}

TEST_F(Run, FaultA16_EveryNameIsExplained) {
  ca_.refused = {{"a.com", "404\x1b[31m"}, {"b.com", "wrong answer"}};
  const Outcome outcome = issue({.id = 1, .names = {"a.com", "b.com", "c.com"}});
  EXPECT_EQ(error_of(outcome), "a.com: unauthorized: 404\\x1b[31m (and 1 more)");
  EXPECT_EQ(outcome.chain.error().kind, ErrorKind::rejected);
  ASSERT_THAT(outcome.problems, SizeIs(2));
  EXPECT_EQ(outcome.problems[1].text, "unauthorized: wrong answer");
  EXPECT_EQ(outcome.order_url, "");
}

TEST_F(Run, FaultA16_SubproblemsNameTheirNames) {
  fault_always("/new-order", {Fault::answer, {.status = 403, .headers = {}, .body = R"({
      "type": "urn:ietf:params:acme:error:rejectedIdentifier", "detail": "no",
      "subproblems": [{"type": "urn:ietf:params:acme:error:rejectedIdentifier",
        "detail": "on a list", "identifier": {"type": "dns", "value": "bad.com"}}]})"}});
  const Outcome outcome = issue();
  EXPECT_EQ(error_of(outcome), "rejectedIdentifier: no");
  ASSERT_THAT(outcome.problems, SizeIs(1));
  EXPECT_EQ(outcome.problems[0].name, "bad.com");
  EXPECT_EQ(outcome.problems[0].text, "rejectedIdentifier: on a list");
}

TEST_F(Run, FaultA17_ValidAuthorizationsAreNotServed) {
  ca_.authorizations_reused = true;
  host_.on_publish = [] { ADD_FAILURE() << "published"; };
  EXPECT_EQ(error_of(issue()), "issued");
}

TEST_F(Run, FaultA18_ForgottenAccountIsNamed) {
  fault_always("/new-order", {Fault::answer, FakeCa::problem(400, "accountDoesNotExist", "who?")});
  EXPECT_EQ(issue().problem_type, "accountDoesNotExist");
}

TEST_F(Run, FaultA26_EveryLostReplyIsRecovered) {
  for (const char* path : {"/new-order", "/authz/", "/chall/", "/finalize/", "/order/", "/cert/"}) {
    for (Fault::Kind kind : {Fault::drop_reply, Fault::drop_request}) {
      const std::size_t before = ca_.orders.size();
      fault_at(path, 1, {kind, {}});
      EXPECT_EQ(error_of(issue()), "issued") << path;
      EXPECT_EQ(ca_.orders.size(), before + 1) << path;
    }
  }
}

TEST_F(Run, FaultA26_OrderOfALostProcessIsFound) {
  fault_always("/authz/", {Fault::answer, FakeCa::problem(400, "malformed", "no")});
  issue({.id = 1, .names = {"other.com"}});
  ca_.orders[0].status = "invalid";
  for (int i = 0; i < 3; i++) issue({.id = 1, .names = {fmt::format("n{}.com", i)}});
  ca_.fault = [](const std::string&, const std::string&) { return Fault(); };
  const Outcome outcome = issue({.id = 1, .names = {"n1.com"}, .recover_unknown_order = true});
  EXPECT_EQ(error_of(outcome), "issued");
  EXPECT_EQ(outcome.order_url, "https://ca.test/order/2");
  EXPECT_THAT(ca_.orders, SizeIs(4));
}

TEST_F(Run, ResumesAnOrderAtEachStage) {
  for (const char* status : {"pending", "ready", "processing", "valid"}) {
    ca_.authorizations_reused = std::string_view(status) != "pending";
    issue();
    ca_.orders.back().status = status;
    const std::size_t before = ca_.orders.size();
    const std::string url = fmt::format("https://ca.test/order/{}", before - 1);
    const Outcome outcome =
        issue({.id = 1, .names = {"example.com", "www.example.com"}, .order_url = url});
    EXPECT_EQ(error_of(outcome), "issued") << status;
    EXPECT_EQ(ca_.orders.size(), before) << status;
  }
}

TEST_F(Run, OrdersAnewWhenTheOldOrderIsGone) {
  EXPECT_EQ(error_of(issue({.id = 1, .names = {"a.com"}, .order_url = "https://ca.test/order/9"})),
            "issued");
  ca_.orders[0].status = "invalid";
  EXPECT_EQ(error_of(issue({.id = 1, .names = {"a.com"}, .order_url = "https://ca.test/order/0"})),
            "issued");
  EXPECT_EQ(error_of(issue({.id = 1, .names = {"b.com"}, .order_url = "https://ca.test/order/1"})),
            "issued");
  EXPECT_EQ(
      error_of(issue({.id = 1, .names = {"b.com"}, .order_url = "https://other.test/order/1"})),
      "issued");
  EXPECT_THAT(ca_.orders, SizeIs(4));
}

TEST_F(Run, PicksThePreferredChain) {
  const Outcome outcome = issue({.id = 1, .names = {"a.com"}, .preferred_chain = "Other Root"});
  EXPECT_EQ(*outcome.chain, ca_.orders[0].alternate_chain);
  const Outcome fallback = issue({.id = 1, .names = {"a.com"}, .preferred_chain = "No Root"});
  EXPECT_EQ(*fallback.chain, ca_.orders[1].chain);
}

TEST_F(Run, OrdersAReplacementOfItsProfile) {
  ca_.renewal_info = "{}";
  const Outcome outcome =
      issue({.id = 1, .names = {"a.com"}, .replaces = "aYhb.AIdl", .profile = "classic"});
  EXPECT_EQ(error_of(outcome), "issued");
  EXPECT_EQ(ca_.orders[0].replaces, "aYhb.AIdl");
  EXPECT_EQ(ca_.orders[0].profile, "classic");
  EXPECT_THAT(outcome.notices, IsEmpty());
}

TEST_F(Run, OrdersWithoutWhatTheCaRefuses) {
  ca_.renewal_info = "{}";
  ca_.has_replaced = true;
  const Outcome outcome =
      issue({.id = 1, .names = {"a.com"}, .replaces = "aYhb.AIdl", .profile = "gold"});
  EXPECT_EQ(error_of(outcome), "issued");
  EXPECT_EQ(ca_.orders[0].replaces + ca_.orders[0].profile, "");
  EXPECT_EQ(ca_.count("POST /new-order"), 3);
  EXPECT_THAT(outcome.notices,
              ElementsAre("ordered as new, not as a replacement: alreadyReplaced: it was",
                          "ordered without the profile gold: invalidProfile: no such profile"));
}

TEST_F(Run, ReplacesNothingAtACaThatKnowsNothingOfIt) {
  EXPECT_EQ(error_of(issue({.id = 1, .names = {"a.com"}, .replaces = "aYhb.AIdl"})), "issued");
  EXPECT_EQ(ca_.orders[0].replaces, "");
}

// What a CA calls malformed or unauthorized may be the replacement, or the order itself.
TEST_F(Run, OrdersOnlyOnceMoreWithoutTheReplacement) {
  ca_.renewal_info = "{}";
  for (const char* type : {"malformed", "unauthorized"}) {
    fault_always("/new-order", {Fault::answer, FakeCa::problem(403, type, "no")});
    const int before = ca_.count("POST /new-order");
    EXPECT_EQ(error_of(issue({.id = 1, .names = {"a.com"}, .replaces = "aYhb.AIdl"})),
              fmt::format("{}: no", type));
    EXPECT_EQ(ca_.count("POST /new-order"), before + 2);
  }
  fault_always("/new-order", {Fault::answer, FakeCa::problem(403, "rejectedIdentifier", "no")});
  const int before = ca_.count("POST /new-order");
  issue({.id = 1, .names = {"a.com"}, .replaces = "aYhb.AIdl"});
  EXPECT_EQ(ca_.count("POST /new-order"), before + 1);
}

TEST_F(Run, SaysThatWildcardsNeedAnotherChallenge) {
  const Outcome outcome = issue({.id = 1, .names = {"*.a.com"}});
  EXPECT_EQ(error_of(outcome), "*.a.com: the CA does not offer http-01 for wildcards, only dns-01");
  EXPECT_EQ(ca_.authorizations[0].status, "deactivated");
}

TEST_F(Run, GivesUpNamesThatCannotBePublished) {
  host_.unpublishable = "a.com";
  const Outcome outcome = issue({.id = 1, .names = {"a.com", "b.com"}});
  EXPECT_EQ(error_of(outcome), "a.com: no webroot");
  EXPECT_EQ(ca_.authorizations[0].status, "deactivated");
  EXPECT_EQ(ca_.authorizations[1].status, "valid");
}

// Nobody has refused anything: the next attempt goes on with the order.
TEST_F(Run, KeepsTheOrderOfWhichAnAnswerCouldNotBePutInPlaceForNow) {
  host_.unpublishable = "a.com";
  host_.why_unpublishable = {ErrorKind::transient, "no space left"};
  const Outcome outcome = issue({.id = 1, .names = {"a.com", "b.com"}});
  EXPECT_EQ(error_of(outcome), "a.com: no space left");
  EXPECT_EQ(ca_.authorizations[0].status, "pending");
  host_.unpublishable.clear();
  const Outcome next =
      issue({.id = 1, .names = {"a.com", "b.com"}, .order_url = outcome.order_url});
  EXPECT_EQ(error_of(next), "issued");
  EXPECT_EQ(ca_.count("POST /new-order"), 1);
}

TEST_F(Run, AnswersNoChallengeBeforeTheOrderIsDurable) {
  host_.save_result = base::transient("disk full");
  const Outcome outcome = issue();
  EXPECT_EQ(error_of(outcome), "remember the order: disk full");
  EXPECT_EQ(ca_.count("POST /chall/"), 0);
}

TEST_F(Run, StopsTidily) {
  std::atomic<bool> stop = false;
  options_.stop = &stop;
  host_.on_publish = [&] { stop = true; };
  ASSERT_TRUE(run(client_, {{.id = 1, .names = {"a.com"}}, {.id = 2, .names = {"a.com"}}}, host_,
                  options_));
  EXPECT_THAT(host_.published, IsEmpty());
  EXPECT_EQ(error_of(host_.outcomes.at(1)), "stopped");
  EXPECT_EQ(error_of(host_.outcomes.at(2)), "stopped");
  EXPECT_EQ(ca_.authorizations[0].status, "deactivated");
}

TEST_F(Run, AStoppedRunKeepsTheOrderOfAnEarlierOne) {
  std::atomic<bool> stop = false;
  options_.stop = &stop;
  issue({.id = 1, .names = {"a.com"}});
  ca_.fault = [&](const std::string& path, const std::string&) {
    stop = stop || path == "/order/";
    return stop ? Fault{Fault::drop_request} : Fault();
  };
  const Outcome outcome =
      issue({.id = 1, .names = {"a.com"}, .order_url = "https://ca.test/order/0"});
  EXPECT_EQ(error_of(outcome), "stopped");
  EXPECT_EQ(outcome.order_url, "https://ca.test/order/0");
}

TEST_F(Run, FaultA10_StopsWhileItLooksForAnOrder) {
  std::atomic<bool> stop = false;
  options_.stop = &stop;
  ca_.fault = [&](const std::string& path, const std::string&) {
    if (path != "/account/") return Fault();
    stop = true;
    return Fault{Fault::drop_request};
  };
  EXPECT_EQ(error_of(issue({.id = 1, .names = {"a.com"}, .recover_unknown_order = true})),
            "stopped");
  EXPECT_EQ(ca_.count("POST /account/"), 1);
  EXPECT_EQ(ca_.count("POST /new-order"), 0);
}

TEST_F(Run, FaultA10_StopsBeforeItHasTheDirectory) {
  std::atomic<bool> stop = true;
  options_.stop = &stop;
  const auto result = run(client_, {{.id = 1, .names = {"a.com"}}}, host_, options_);
  ASSERT_FALSE(result);
  EXPECT_THAT(result.error().message, HasSubstr("stopped"));
}

class OpenAccount : public Run {
 protected:
  std::string make() {
    const auto account = client_.register_account();
    return account ? account->url : account.error().message;
  }
  static std::string refusal(const AccountTerms& terms, const Registration& registration) {
    const auto good = check_terms(terms, registration);
    return good ? "" : good.error().message;
  }
};

TEST_F(OpenAccount, FindsTheOneOfTheKeyOrMakesIt) {
  EXPECT_EQ(client_.find_account().value().kind, KeyStanding::Kind::unknown);
  EXPECT_EQ(make(), "https://ca.test/account/1");
  const auto found = client_.find_account().value();
  EXPECT_EQ(found.kind, KeyStanding::Kind::valid);
  EXPECT_EQ(found.account, "https://ca.test/account/1");
  EXPECT_EQ(ca_.count("POST /new-account"), 3);
}

TEST_F(OpenAccount, FaultA19_TermsAreShownBeforeTheyAreAgreed) {
  ca_.terms = "https://ca.test/terms";
  const AccountTerms terms = client_.terms().value();
  EXPECT_EQ(refusal(terms, {}),
            "the CA's terms of service are not agreed to: https://ca.test/terms");
  EXPECT_EQ(refusal(terms, {.terms_agreed = true}), "");
}

TEST_F(OpenAccount, FaultA20_ExternalAccountIsAskedFor) {
  ca_.external_account_required = true;
  const AccountTerms terms = client_.terms().value();
  EXPECT_THAT(refusal(terms, {}), HasSubstr("the CA makes accounts only for its customers"));
  EXPECT_EQ(refusal(terms, {.external_account = {{.kid = "k", .mac_key = "c2VjcmV0"}}}), "");
}

TEST_F(OpenAccount, FaultA21_RedirectsStayAtTheCa) {
  fault_at("/dir", 1,
           {Fault::answer, {.status = 302, .headers = {{"Location", "/dir"}}, .body = ""}});
  EXPECT_EQ(make(), "https://ca.test/account/1");
}

TEST_F(OpenAccount, FaultA21_RedirectsElsewhereAreRefused) {
  fault_always("/dir",
               {Fault::answer,
                {.status = 301, .headers = {{"Location", "http://ca.test/dir"}}, .body = ""}});
  EXPECT_EQ(make(), "directory https://ca.test/dir: redirected to http://ca.test/dir");
}

TEST_F(OpenAccount, FaultA26_LostReplyFindsTheSameAccount) {
  fault_at("/new-account", 1, {Fault::drop_reply, {}});
  EXPECT_EQ(make(), "https://ca.test/account/1");
}

TEST_F(OpenAccount, FaultS5_ContactsCannotInject) {
  signer_.registration.contacts = {"a@b\r\nBcc: c@d"};
  EXPECT_EQ(make(), "account: not an e-mail address: a@b\\x0d\\x0aBcc: c@d");
}

}  // namespace
}  // namespace everseal::acme
