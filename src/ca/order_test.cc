#include "ca/front_end_fixture.h"
#include "ca/validation_context.h"

namespace everseal::ca {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;
using testing::StartsWith;
using namespace std::chrono_literals;

class OrderTest : public FrontEndTest {
 protected:
  const Client client_ = registered();

  std::string status_of(const std::string& target) {
    return post_as_get(client_, target).body().at("status");
  }
  std::string refusal(const std::string& payload) {
    return post(client_, url("/new-order"), payload).summary();
  }
  std::string refusal(const json& payload) { return refusal(payload.dump()); }
  static json address(const std::string& value) {
    return json::array({{{"type", "ip"}, {"value", value}}});
  }
};

TEST_F(OrderTest, IsMadeForItsNames) {
  const Reply made = order(client_, {"www.example.com", "EXAMPLE.com", "example.com"});
  EXPECT_EQ(made.summary(), "201");
  EXPECT_EQ(made.header("Location"), "https://ca.test:8555/order/1");
  const json body = made.body();
  EXPECT_EQ(body.at("status"), "pending");
  EXPECT_EQ(body.at("expires"), "2026-11-28T04:00:00Z");
  EXPECT_EQ(body.at("identifiers"), identifiers({"example.com", "www.example.com"}));
  EXPECT_EQ(body.at("profile"), "classic");
  EXPECT_THAT(body.at("authorizations"),
              ElementsAre("https://ca.test:8555/authz/1", "https://ca.test:8555/authz/2"));
  EXPECT_EQ(body.at("finalize"), "https://ca.test:8555/order/1/finalize");
  EXPECT_FALSE(body.contains("certificate"));
}

TEST_F(OrderTest, GoesFromPendingToValid) {
  const Reply made = order(client_, {"a.com"});
  const std::string target = made.header("Location");
  EXPECT_EQ(finalize(client_, made.body(), request_for({"a.com"}, key_)).summary(),
            "403 orderNotReady: the order is pending");
  authorize(client_, made.body());
  EXPECT_EQ(status_of(target), "ready");
  const Reply done = finalize(client_, made.body(), request_for({"a.com"}, key_));
  EXPECT_EQ(done.summary(), "200");
  EXPECT_EQ(done.body().at("status"), "valid");
  EXPECT_EQ(done.header("Location"), target);
  EXPECT_THAT(done.body().at("certificate").get<std::string>(),
              StartsWith("https://ca.test:8555/cert/"));
  EXPECT_EQ(finalize(client_, made.body(), request_for({"a.com"}, key_)).summary(),
            "403 orderNotReady: the order is valid");
  advance(8 * 24h);
  EXPECT_EQ(status_of(target), "valid");
}

TEST_F(OrderTest, BecomesInvalidWithAnAuthorization) {
  validator_.refused["b.com"] = {.type = "unauthorized", .detail = "404"};
  const Reply made = order(client_, {"a.com", "b.com"});
  authorize(client_, made.body());
  const json body = post_as_get(client_, made.header("Location")).body();
  EXPECT_EQ(body.at("status"), "invalid");
  EXPECT_EQ(body.at("error").at("type"), "urn:ietf:params:acme:error:unauthorized");
}

TEST_F(OrderTest, BecomesInvalidWithTime) {
  const std::string pending = order(client_, {"a.com"}).header("Location");
  const Reply ready = order(client_, {"b.com"});
  authorize(client_, ready.body());
  advance(7 * 24h);
  EXPECT_EQ(status_of(pending), "invalid");
  EXPECT_EQ(status_of(ready.header("Location")), "invalid");
}

TEST_F(OrderTest, ForTheSameNamesIsTheSameWhileItIsOpen) {
  const std::string first = order(client_, {"a.com"}).header("Location");
  EXPECT_EQ(order(client_, {"A.com"}).header("Location"), first);
  EXPECT_NE(order(client_, {"a.com"}, {{"profile", "shortlived"}}).header("Location"), first);
  EXPECT_NE(order(client_, {"a.com"}, {{"notAfter", "2026-12-01T00:00:00Z"}}).header("Location"),
            first);
  const Client other = registered();
  EXPECT_NE(order(other, {"a.com"}).header("Location"), first);
  issued(client_, {"a.com"});
  EXPECT_NE(order(client_, {"a.com"}).header("Location"), first);
}

TEST_F(OrderTest, IsReadyAtOnceWhereAllIsAuthorized) {
  issued(client_, {"a.com"});
  const Reply again = order(client_, {"a.com"});
  EXPECT_EQ(again.body().at("status"), "ready");
  advance(30 * 24h);
  EXPECT_EQ(order(client_, {"a.com"}).body().at("status"), "pending");
  EXPECT_EQ(order(registered(), {"a.com"}).body().at("status"), "pending");
}

TEST_F(OrderTest, IsNobodyElses) {
  const json made = order(client_, {"a.com"}).body();
  const Client other = registered();
  EXPECT_EQ(post_as_get(other, url("/order/1")).summary(),
            "403 unauthorized: the order is another account's");
  EXPECT_EQ(finalize(other, made, "x").summary(),
            "403 unauthorized: the order is another account's");
  EXPECT_EQ(post_as_get(client_, url("/order/9")).summary(),
            "404 malformed: there is no such order");
}

TEST_F(OrderTest, NeedsNamesThatCanBeCertified) {
  EXPECT_EQ(refusal(json::object()), "400 malformed: the order has no identifiers");
  EXPECT_EQ(refusal(json{{"identifiers", "x"}}), "400 malformed: \"identifiers\" is not an array");
  EXPECT_EQ(refusal(json{{"identifiers", {{{"type", "dns"}}}}}),
            "400 malformed: \"value\" is missing");
  EXPECT_EQ(refusal(json{{"identifiers", {{{"type", "email"}, {"value", "a@b"}}}}}),
            "400 unsupportedIdentifier: identifiers of the type 'email' are unknown");
  EXPECT_THAT(refusal(json{{"identifiers", identifiers({"a_b.com"})}}),
              StartsWith("400 rejectedIdentifier: 'a_b.com' is not a domain name"));
  EXPECT_EQ(refusal(json{{"identifiers", identifiers({"b\u00fccher.example"})}}),
            "400 malformed: 'b\u00fccher.example' is not ASCII");
  std::vector<std::string> many;
  for (int i = 0; i < 101; i++) many.push_back(fmt::format("n{}.com", i));
  EXPECT_EQ(order(client_, many).summary(),
            "400 malformed: 101 identifiers; the profile classic takes at most 100");
}

TEST_F(OrderTest, FaultA16_NamesEachNameThatItRefuses) {
  const Reply refused = order(client_, {"-a.com", "good.com", "b..com"});
  EXPECT_EQ(refused.summary(), "400 rejectedIdentifier: several identifiers cannot be certified");
  const json subproblems = refused.body().at("subproblems");
  ASSERT_THAT(subproblems, SizeIs(2));
  EXPECT_EQ(subproblems[0].at("identifier"), (json{{"type", "dns"}, {"value", "-a.com"}}));
  EXPECT_EQ(subproblems[0].at("type"), "urn:ietf:params:acme:error:rejectedIdentifier");
}

TEST_F(OrderTest, ForAddressesNeedsAProfileForThem) {
  EXPECT_EQ(refusal(json{{"identifiers", address("192.0.2.1")}}),
            "400 rejectedIdentifier: the profile classic is not for IP addresses");
  for (const char* good : {"192.0.2.1", "2001:db8::1"})
    EXPECT_EQ(refusal(json{{"identifiers", address(good)}, {"profile", "shortlived"}}), "201");
  for (const char* bad : {"192.0.2.01", "2001:DB8::1", "[::1]", "a.com"})
    EXPECT_THAT(refusal(json{{"identifiers", address(bad)}, {"profile", "shortlived"}}),
                HasSubstr("is not an IP address in its usual form"));
}

TEST_F(OrderTest, FaultA25_NamesProfilesThatItDoesNotKnow) {
  EXPECT_EQ(order(client_, {"a.com"}, {{"profile", "eternal"}}).summary(),
            "400 invalidProfile: there is no profile 'eternal'");
}

TEST_F(OrderTest, MayAskForALifeThatTheProfileAllows) {
  const auto life = [&](const char* from, const char* to) {
    json more;
    if (*from) more["notBefore"] = from;
    if (*to) more["notAfter"] = to;
    return order(client_, {"a.com"}, more).summary();
  };
  EXPECT_EQ(life("2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z"), "201");
  EXPECT_EQ(life("", "2026-11-21T04:00:01Z"), "201");
  EXPECT_EQ(life("tomorrow", ""), "400 malformed: \"notBefore\" is not a time of RFC 3339");
  EXPECT_EQ(life("2026-11-20T00:00:00Z", ""), "400 malformed: \"notBefore\" is in the past");
  EXPECT_EQ(life("2027-11-20T00:00:00Z", ""),
            "400 malformed: \"notBefore\" is too far in the future");
  EXPECT_EQ(life("", "2026-11-21T04:00:00Z"),
            "400 malformed: \"notAfter\" leaves the certificate no life");
  EXPECT_EQ(life("", "2027-11-21T04:00:00Z"),
            "400 malformed: \"notAfter\" is later than the profile classic allows");
}

class Finalization : public OrderTest {
 protected:
  // What a request is answered for an order that is ready for a.com.
  std::string refusal_of(const std::string& csr) {
    const json made = order(client_, {"a.com"}).body();
    authorize(client_, made);
    return finalize(client_, made, csr).summary();
  }
};

TEST_F(Finalization, GivesTheLifeOfTheProfileToTheSecond) {
  const auto certificate = leaf(client_, issued(client_, {"a.com"}));
  EXPECT_EQ(certificate.not_before(), kStart - 1h);
  EXPECT_EQ(certificate.not_after(), kStart - 1h + 90 * 24h - 1s);
  const auto shortlived = leaf(client_, issued(client_, {"a.com"}, {{"profile", "shortlived"}}));
  EXPECT_EQ(shortlived.not_after() - shortlived.not_before(), 160h - 1s);
  EXPECT_EQ(shortlived.subject(), "");
}

TEST_F(Finalization, FollowsTheAnnouncedLives) {
  const auto life_at = [&](const char* date) {
    clock_.advance(*base::parse_rfc3339(date) - clock_.now());
    const auto certificate = leaf(client_, issued(client_, {"a.com"}));
    return certificate.not_after() - certificate.not_before() + 1s;
  };
  EXPECT_EQ(life_at("2027-02-09T23:00:00Z"), 90 * 24h);
  EXPECT_EQ(life_at("2027-02-10T00:00:00Z"), 64 * 24h);
  EXPECT_EQ(life_at("2028-02-16T00:00:00Z"), 45 * 24h);
}

TEST_F(Finalization, GivesTheLifeThatTheOrderAsksFor) {
  const auto certificate =
      leaf(client_,
           issued(client_, {"a.com"},
                  {{"notBefore", "2026-11-22T00:00:00Z"}, {"notAfter", "2026-11-23T00:00:00Z"}}));
  EXPECT_EQ(base::to_rfc3339(certificate.not_before()), "2026-11-22T00:00:00Z");
  EXPECT_EQ(base::to_rfc3339(certificate.not_after()), "2026-11-23T00:00:00Z");
}

TEST_F(Finalization, CertifiesWildcardsAndWhatIsBelowThem) {
  const auto certificate = leaf(client_, issued(client_, {"*.a.com", "a.com"}));
  EXPECT_THAT(certificate.dns_names(), ElementsAre("*.a.com", "a.com"));
  EXPECT_EQ(validator_.asked[0].wildcard, true);
  EXPECT_EQ(validator_.asked[0].name, "a.com");
  EXPECT_EQ(validator_.asked[0].type, ChallengeType::dns_01);
}

TEST_F(Finalization, RefusesRequestsThatAreNotForTheOrder) {
  EXPECT_EQ(refusal_of("not base64url!"), "400 malformed: \"csr\" is not base64url");
  EXPECT_THAT(refusal_of(base::base64url("no request")), StartsWith("400 badCSR: "));
  EXPECT_EQ(refusal_of(request_for({"a.com", "b.com"}, key_)),
            "400 badCSR: the request is for a.com, b.com, the order for a.com");
  EXPECT_EQ(refusal_of(request_for({"www.a.com"}, key_)),
            "400 badCSR: the request is for www.a.com, the order for a.com");
  EXPECT_EQ(refusal_of(request_for({"a.com"}, client_.key)),
            "400 badCSR: the certificate's key is the account's");
  EXPECT_EQ(refusal_of(request_for({"a.com"}, key_)), "200");
}

TEST_F(Finalization, RefusesKeysThatOthersAreKnownToHave) {
  const auto certificate = leaf(client_, issued(client_, {"a.com"}));
  EXPECT_EQ(post(client_, url("/revoke-cert"),
                 json{{"certificate", base::base64url(certificate.der())}, {"reason", 1}})
                .summary(),
            "200");
  EXPECT_EQ(refusal_of(request_for({"a.com"}, key_)),
            "400 badCSR: a certificate of this key was revoked because the key is known to others");
}

TEST_F(Finalization, GivesEachCertificateASerialNumberOfItsOwn) {
  const auto first = leaf(client_, issued(client_, {"a.com"})),
             second = leaf(client_, issued(client_, {"a.com"}));
  EXPECT_EQ(first.serial().size(), 32u);
  EXPECT_NE(first.serial(), second.serial());
}

// RFC 8659 §3: before a certificate is issued, whenever the name was validated.
class CaaAgain : public FrontEndTest {
 protected:
  CaaAgain() {
    Policy policy;
    policy.caa_identities = {"ca.test"};
    use(policy);
    client_ = registered();
  }

  // An order whose authorization is reused.
  json ordered_again() {
    issued(client_, {"a.com"});
    advance(base::Seconds(1));
    return order(client_, {"a.com"}).body();
  }

  std::size_t looks() const {
    return static_cast<std::size_t>(
        std::ranges::count(validator_.asked, Scope::caa, &Validation::scope));
  }

  std::string status_of(const json& order) {
    const std::string finalize = order.at("finalize");
    return post_as_get(client_, finalize.substr(0, finalize.rfind('/'))).body().at("status");
  }

  Client client_;
};

TEST_F(CaaAgain, IsNotLookedAtTwiceForOneOrder) {
  EXPECT_EQ(issued(client_, {"a.com"}).at("status"), "valid");
  EXPECT_EQ(looks(), 0u);
}

TEST_F(CaaAgain, IsLookedAtWhereAnAuthorizationIsReused) {
  const json again = ordered_again();
  const Reply done = finalize(client_, again, request_for({"a.com"}, key_));
  EXPECT_EQ(done.body().at("status"), "processing");
  EXPECT_EQ(done.header("Retry-After"), "1");
  EXPECT_EQ(looks(), 1u);
  EXPECT_EQ(validator_.asked.back().account_url, client_.account);
  EXPECT_EQ(status_of(again), "valid");
}

TEST_F(CaaAgain, ForbidsWhatItAllowedBefore) {
  const json again = ordered_again();
  validator_.refused["a.com"] = disproven("caa", "the CAA records of a.com forbid it").error();
  finalize(client_, again, request_for({"a.com"}, key_));
  EXPECT_EQ(status_of(again), "invalid");
  const std::string url = again.at("finalize");
  const json order = post_as_get(client_, url.substr(0, url.rfind('/'))).body();
  EXPECT_EQ(order.at("error").at("detail"), "the CAA records of a.com forbid it");
  EXPECT_FALSE(order.contains("certificate"));
}

TEST_F(CaaAgain, IsLookedAtWhereItWasEightHoursAgo) {
  const json first = order(client_, {"a.com"}, {{"profile", "classic"}}).body();
  authorize(client_, first);
  EXPECT_EQ(status_of(first), "ready");
  advance(std::chrono::hours(8));
  const json second = order(client_, {"b.com"}, {{"profile", "classic"}}).body();
  authorize(client_, second);
  finalize(client_, second, request_for({"b.com"}, key_));
  EXPECT_EQ(looks(), 0u);
  advance(base::Seconds(1));
  finalize(client_, first, request_for({"a.com"}, key_));
  EXPECT_EQ(looks(), 1u);
  EXPECT_EQ(status_of(first), "valid");
}

TEST_F(CaaAgain, IsPutOffWhereTheAccountHasTooManyUnderWay) {
  const json again = ordered_again();
  occupy(client_);
  const Reply refused = finalize(client_, again, request_for({"a.com"}, key_));
  EXPECT_EQ(refused.status(), 429);
  EXPECT_EQ(refused.header("Retry-After"), "10");
  EXPECT_EQ(looks(), 0u);
  EXPECT_EQ(status_of(again), "ready");
}

// One answer forbids: the others are not waited for, and give nothing.
TEST_F(CaaAgain, OfAllNamesIsWaitedFor) {
  issued(client_, {"a.com", "b.com"});
  advance(base::Seconds(1));
  const json again = order(client_, {"a.com", "b.com"}).body();
  validator_.held.insert("b.com");
  finalize(client_, again, request_for({"a.com", "b.com"}, key_));
  EXPECT_EQ(looks(), 2u);
  EXPECT_EQ(status_of(again), "processing");
  validator_.held.clear();
  validator_.start((std::uint64_t{1} << 63) + 2, {.name = "b.com"});
  EXPECT_EQ(status_of(again), "valid");
}

TEST_F(CaaAgain, IsNotUndoneByAnotherOrder) {
  issued(client_, {"a.com", "b.com"});
  advance(base::Seconds(1));
  const json waiting = order(client_, {"a.com", "b.com"}).body();
  validator_.held.insert("b.com");
  finalize(client_, waiting, request_for({"a.com", "b.com"}, key_));
  EXPECT_EQ(status_of(waiting), "processing");
  advance(base::Seconds(1));
  const json other = order(client_, {"a.com"}).body();
  validator_.start((std::uint64_t{1} << 63) + 2, {.name = "c.com"});
  EXPECT_EQ(status_of(waiting), "valid");
  finalize(client_, other, request_for({"a.com"}, key_));
  EXPECT_EQ(looks(), 3u);
  EXPECT_EQ(status_of(other), "valid");
}

TEST_F(CaaAgain, IsLookedAtAfterARestart) {
  const json again = ordered_again();
  validator_.held.insert("a.com");
  finalize(client_, again, request_for({"a.com"}, key_));
  validator_.held.clear();
  EXPECT_TRUE(front_end_.resume());
  EXPECT_EQ(looks(), 2u);
  EXPECT_EQ(status_of(again), "valid");
}

// It is nobody's business before the certificate's key was looked at.
TEST_F(CaaAgain, FollowsTheLookAtTheRequest) {
  const json again = ordered_again();
  EXPECT_EQ(finalize(client_, again, request_for({"b.com"}, key_)).summary(),
            "400 badCSR: the request is for b.com, the order for a.com");
  EXPECT_EQ(looks(), 0u);
}

// What it replaces is looked for when its certificate is there already.
TEST_F(CaaAgain, LeavesNothingOfWhatFailsAfterIt) {
  issued(client_, {"a.com"});
  advance(base::Seconds(1));
  Order order{.account = 1,
              .status = OrderStatus::processing,
              .names = {"a.com"},
              .authorizations = {1},
              .profile = "classic",
              .created_at = clock_.now(),
              .expires = clock_.now() + std::chrono::hours(1),
              .request = *crypto::make_certificate_request(key_, std::vector<std::string>{"a.com"}),
              .replaces = "nothing"};
  ASSERT_TRUE(ledger_.add(order));
  validator_.start((std::uint64_t{1} << 63) + 1, {.name = "a.com"});
  front_end_.settle();
  const Order failed = **ledger_.order(order.id);
  EXPECT_EQ(failed.status, OrderStatus::invalid);
  EXPECT_THAT(failed.error, testing::HasSubstr("not the identifier of a certificate"));
  EXPECT_EQ(failed.serial, "");
  EXPECT_EQ(failed.request, order.request);
  EXPECT_THAT(log_, testing::IsEmpty());
}

TEST_F(CaaAgain, TellsTheLogOfOurOwnFailureAfterIt) {
  const json again = ordered_again();
  ASSERT_TRUE(front_end_.faults().add(
      R"({"fault": [{"resource": "finalize", "issuance": {"ends": "-10d"}}]})"));
  finalize(client_, again, request_for({"a.com"}, key_));
  EXPECT_EQ(status_of(again), "invalid");
  EXPECT_THAT(log_, testing::ElementsAre(
                        testing::StartsWith("the certificate would not end between 2026-11-21")));
}

}  // namespace
}  // namespace everseal::ca
