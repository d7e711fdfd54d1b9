#include "ca/rate_limits.h"

#include "ca/front_end_fixture.h"

namespace everseal::ca {
namespace {

using testing::HasSubstr;
using namespace std::chrono_literals;

TEST(Buckets, EmptyAndFillAgain) {
  base::FakeClock clock(kStart);
  Ledger ledger = *Ledger::open(":memory:");
  RateLimits limits(ledger, clock);
  const Limit limit{3, 10s};
  for (int i = 0; i < 3; i++) {
    EXPECT_EQ(*limits.wait("x", limit), std::nullopt);
    ASSERT_TRUE(limits.take("x", limit));
  }
  EXPECT_EQ(*limits.wait("x", limit), 10s);
  EXPECT_EQ(*limits.wait("y", limit), std::nullopt);
  clock.advance(4s);
  EXPECT_EQ(*limits.wait("x", limit), 6s);
  clock.advance(6s);
  EXPECT_EQ(*limits.wait("x", limit), std::nullopt);
  ASSERT_TRUE(limits.take("x", limit));
  EXPECT_EQ(*limits.wait("x", limit), 10s);
  ASSERT_TRUE(limits.fill("x"));
  EXPECT_EQ(*limits.wait("x", limit), std::nullopt);
}

TEST(Buckets, OfAMomentAreInMemory) {
  base::FakeClock clock(kStart);
  RequestLimits limits(clock);
  EXPECT_TRUE(limits.take("x", {2, 100ms}));
  EXPECT_TRUE(limits.take("x", {2, 100ms}));
  EXPECT_FALSE(limits.take("x", {2, 100ms}));
  EXPECT_TRUE(limits.take("y", {2, 100ms}));
  clock.advance(100ms);
  EXPECT_TRUE(limits.take("x", {2, 100ms}));
}

class Limited : public FrontEndTest {
 protected:
  Limited() {
    Policy policy;
    policy.limits.emplace();
    policy.limits->requests = {{"", {1'000'000, 1ms}}};
    use(policy);
  }
  void limit(Limit Limits::* which, Limit to) {
    Policy policy = front_end_.policy();
    (*policy.limits).*which = to;
    use(policy);
  }
  json replacing(const crypto::Certificate& certificate) {
    return {{"replaces", certificate_id(certificate)}};
  }
};

TEST_F(Limited, NewAccountsOfAnAddress) {
  limit(&Limits::accounts_per_address, {2, 10min});
  registered();
  const Client known = registered();
  const Reply refused = post(Client(), url("/new-account"), json::object());
  EXPECT_EQ(refused.summary(), "429 rateLimited: too many new accounts from this address");
  EXPECT_EQ(refused.header("Retry-After"), "600");
  const Client nameless{.key = *crypto::PrivateKey::from_pem(known.key.to_pem())};
  EXPECT_EQ(post(nameless, url("/new-account"), json::object()).summary(), "200");
  advance(10min);
  registered();
}

TEST_F(Limited, NewOrdersOfAnAccount) {
  limit(&Limits::orders_per_account, {2, 36s});
  const Client client = registered();
  order(client, {"a.com"});
  order(client, {"b.com"});
  const Reply refused = order(client, {"c.com"});
  EXPECT_EQ(refused.summary(), "429 rateLimited: too many new orders by this account recently");
  EXPECT_EQ(refused.header("Retry-After"), "36");
  EXPECT_EQ(order(client, {"a.com"}).summary(), "201") << "the order that is open";
  EXPECT_EQ(order(registered(), {"c.com"}).summary(), "201");
}

TEST_F(Limited, CertificatesOfADomain) {
  limit(&Limits::certificates_per_domain, {2, 202min});
  const Client client = registered();
  issued(client, {"a.example.com"});
  issued(client, {"b.example.com"});
  const Reply refused = order(client, {"c.example.com", "c.other.com"});
  EXPECT_EQ(refused.summary(), "429 rateLimited: too many certificates for example.com recently");
  EXPECT_EQ(refused.header("Retry-After"), "12120");
  EXPECT_EQ(order(client, {"a.example.com"}).summary(), "201") << "a renewal";
  EXPECT_EQ(order(client, {"c.other.com"}).summary(), "201");
}

TEST_F(Limited, CertificatesOfExactlyTheSameNames) {
  limit(&Limits::certificates_per_names, {2, 34h});
  const Client client = registered();
  issued(client, {"a.com", "b.com"});
  issued(client, {"b.com", "a.com"});
  EXPECT_EQ(
      order(client, {"a.com", "b.com"}).summary(),
      "429 rateLimited: too many certificates for exactly these names recently: a.com, b.com");
  EXPECT_EQ(order(registered(), {"a.com", "b.com"}).status(), 429);
  EXPECT_EQ(order(client, {"a.com"}).summary(), "201");
}

TEST_F(Limited, NothingOfReplacementsInsideTheirWindow) {
  limit(&Limits::certificates_per_names, {1, 34h});
  limit(&Limits::orders_per_account, {1, 100 * 24h});
  const Client client = registered();
  const auto certificate = leaf(client, issued(client, {"a.com"}));
  EXPECT_EQ(order(client, {"a.com"}, replacing(certificate)).status(), 429);
  advance(60 * 24h);
  issued(client, {"a.com"}, replacing(certificate));
  const auto second = leaf(client, issued(client, {"a.com"}));
  ASSERT_TRUE(ledger_.revoke(second.serial(), clock_.now(), 0));
  issued(client, {"a.com"}, replacing(second));
}

TEST_F(Limited, FailuresOfAName) {
  limit(&Limits::failures_per_name, {2, 12min});
  const Client client = registered();
  validator_.refused["a.com"] = {.type = "dns", .detail = "no"};
  for (int i = 0; i < 2; i++) authorize(client, order(client, {"a.com"}).body());
  const Reply refused = order(client, {"a.com", "b.com"});
  EXPECT_EQ(refused.summary(),
            "429 rateLimited: too many failed authorizations for a.com recently");
  EXPECT_EQ(refused.header("Retry-After"), "720");
  EXPECT_EQ(order(client, {"b.com"}).summary(), "201");
  EXPECT_EQ(order(registered(), {"a.com"}).summary(), "201");
}

TEST_F(Limited, FaultA7_FailuresInARowPauseAName) {
  limit(&Limits::failures_in_a_row, {2, 24h});
  const Client client = registered();
  validator_.refused["a.com"] = {.type = "dns", .detail = "no"};
  authorize(client, order(client, {"a.com"}).body());
  validator_.refused.clear();
  authorize(client, order(client, {"a.com"}).body());
  post(client, url("/authz/2"), json{{"status", "deactivated"}});
  validator_.refused["a.com"] = {.type = "dns", .detail = "no"};
  for (int i = 0; i < 2; i++) authorize(client, order(client, {"a.com"}).body());
  EXPECT_EQ(order(client, {"a.com"}).summary(),
            "429 rateLimited: orders for a.com are paused after too many failures in a row; resume "
            "them at https://ca.test:8555/unpause");
}

TEST_F(Limited, RequestsOfAnAddress) {
  Policy policy = front_end_.policy();
  policy.limits->requests = {{"directory", {2, 25ms}}, {"", {5, 1000ms}}};
  use(policy);
  for (int i = 0; i < 2; i++) EXPECT_EQ(get(url("/directory")).summary(), "200");
  const Reply refused = get(url("/directory"));
  EXPECT_EQ(refused.summary(), "503 rateLimited: too many requests from this address");
  EXPECT_EQ(refused.header("Retry-After"), "1");
  EXPECT_EQ(get(url("/new-nonce")).status(), 204);
}

// Whoever has one address of IPv6 has 2^64 of them.
TEST_F(Limited, RequestsOfANetwork) {
  Policy policy = front_end_.policy();
  policy.limits->requests = {{"", {1, 1000ms}}};
  use(policy);
  const auto status = [&](const char* client) {
    const http::Request request{.method = http::Method::get, .url = url("/directory")};
    const http::Arrival arrival{.request = request, .client = client};
    return front_end_.handle({&arrival, 1}).front().response.status;
  };
  EXPECT_EQ(status("2001:db8:0:1::1"), 200);
  EXPECT_EQ(status("2001:db8:0:1::2"), 503);
  EXPECT_EQ(status("2001:db8:0:2::1"), 200);
}

}  // namespace
}  // namespace everseal::ca
