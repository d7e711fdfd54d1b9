#include "ca/http01.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "ca/stranger_in_thread.h"
#include "ca/validation_fixture.h"
#include "ca/x509.h"
#include "crypto/certificate.h"

namespace everseal::ca {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;
using testing::StartsWith;
using Answer = StrangerInThread::Answer;

constexpr const char* kPath = "/.well-known/acme-challenge/token";

StrangerInThread::Tls any_certificate() {
  auto key = *crypto::PrivateKey::generate(crypto::KeyType::ecdsa_p256);
  const std::string pem = key.to_pem();
  const auto now = base::real_clock().now();
  x509::Certificate content{.serial = "\x01",
                            .issuer = x509::name("", "other.example"),
                            .subject = x509::name("", "other.example"),
                            .not_before = now - std::chrono::days(9),
                            .not_after = now - std::chrono::days(2),
                            .public_key = key.public_key_der(),
                            .extensions = x509::end_entity()};
  const auto certificate =
      *crypto::Certificate::from_der(*x509::sign_certificate(content, OwnKey(std::move(key))));
  return {.certificate_pem = certificate.pem(), .key_pem = pem};
}

class Http01Test : public ValidationTest {
 protected:
  std::string verdict_with(StrangerInThread::Script script) {
    StrangerInThread server("127.0.0.1", 0, std::move(script));
    return verdict_of(server);
  }

  std::string verdict_of(const StrangerInThread& server) {
    settings_.http_port = server.port();
    return verdict(prove());
  }

  Proven<> prove() { return prove_http_01(context()); }

  Http01Test() {
    settings_.https_port = 1;
    resolver_.put("b.example", {.v4 = {"127.0.0.1"}});
  }
};

TEST_F(Http01Test, FetchesTheKeyAuthorization) {
  StrangerInThread server("127.0.0.1", 0,
                          [](auto&) { return StrangerInThread::ok("token.thumbprint\r\n \n"); });
  EXPECT_EQ(verdict_of(server), "proven");
  EXPECT_THAT(server.requests(),
              ElementsAre(AllOf(StartsWith("GET /.well-known/acme-challenge/token HTTP/1.1\r\n"
                                           "Host: a.example\r\n"),
                                HasSubstr("Everseal validation server"))));
}

TEST_F(Http01Test, TakesBodiesInEveryForm) {
  EXPECT_EQ(verdict_with([](auto&) {
              return Answer{
                  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                  "6\r\ntoken.\r\nA\r\nthumbprint\r\n0\r\n\r\n"};
            }),
            "proven");
  EXPECT_EQ(verdict_with([](auto&) { return Answer{"HTTP/1.0 200 OK\r\n\r\ntoken.thumbprint"}; }),
            "proven");
}

TEST_F(Http01Test, RefusesOtherContent) {
  EXPECT_EQ(verdict_with([](auto&) { return StrangerInThread::ok("token.other\x01"); }),
            "unauthorized: 127.0.0.1: http://a.example/.well-known/acme-challenge/token has not "
            "the key authorization of this account but \"token.other\\x01\"");
  EXPECT_EQ(verdict_with([](auto&) { return StrangerInThread::ok(" token.thumbprint"); }),
            "unauthorized: 127.0.0.1: http://a.example/.well-known/acme-challenge/token has not "
            "the key authorization of this account but \" token.thumbprint\"");
  EXPECT_EQ(verdict_with([](auto&) {
              return Answer{"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"};
            }),
            "unauthorized: 127.0.0.1: http://a.example/.well-known/acme-challenge/token was "
            "answered with status 404");
}

TEST_F(Http01Test, LimitsBodyAndHeaders) {
  for (const std::string begin : {"x", "token.thumbprint"})
    EXPECT_THAT(
        verdict_with([&](auto&) { return StrangerInThread::ok(begin + std::string(1000, ' ')); }),
        StartsWith("unauthorized: 127.0.0.1: http://a.example/.well-known/acme-challenge/token has "
                   "not the key authorization of this account but \"" +
                   begin + "\""));
  EXPECT_EQ(verdict_with([](auto&) {
              return Answer{"HTTP/1.1 404 Not Found\r\nContent-Length: 9999\r\n\r\n" +
                            std::string(9999, 'x')};
            }),
            "unauthorized: 127.0.0.1: http://a.example/.well-known/acme-challenge/token was "
            "answered with status 404");
  std::string headers = "HTTP/1.1 200 OK\r\n";
  for (int i = 0; i < 20; i++) headers += "X: " + std::string(1000, 'x') + "\r\n";
  EXPECT_EQ(verdict_with([&](auto&) { return Answer{headers}; }),
            "connection: 127.0.0.1: fetch http://a.example/.well-known/acme-challenge/token: "
            "the headers are larger than 16 KiB");
}

TEST_F(Http01Test, RefusesWhatIsNotHttp) {
  EXPECT_THAT(verdict_with([](auto&) { return Answer{"SSH-2.0-OpenSSH_9.2\r\n"}; }),
              StartsWith("connection: 127.0.0.1: fetch "
                         "http://a.example/.well-known/acme-challenge/token: "));
  EXPECT_THAT(verdict_with([](auto&) { return Answer{}; }),
              StartsWith("connection: 127.0.0.1: fetch "));
}

TEST_F(Http01Test, MeetsItsDeadlineWithSlowServers) {
  settings_.step_timeout = base::Milliseconds(300);
  const auto start = std::chrono::steady_clock::now();
  const char* const expected =
      "connection: 127.0.0.1: fetch http://a.example/.well-known/acme-challenge/token: no "
      "answer in time";
  EXPECT_EQ(verdict_with([](auto&) {
              return Answer{.bytes = "HTTP/1.1 200 OK\r\n", .before = base::Milliseconds(60'000)};
            }),
            expected);
  EXPECT_EQ(verdict_with([](auto&) {
              return Answer{.bytes = StrangerInThread::ok("token.thumbprint").bytes,
                            .between = base::Milliseconds(50)};
            }),
            expected);
  EXPECT_LT(std::chrono::steady_clock::now() - start, base::Milliseconds(2000));
}

TEST_F(Http01Test, FollowsRedirects) {
  int hops = 0;
  EXPECT_EQ(verdict_with([&](auto&) {
              const char* const statuses[] = {"301", "302", "307", "308"};
              const int hop = hops++;
              return hop < 10 ? StrangerInThread::redirect(fmt::format("/hop/{}", hop),
                                                           statuses[hop % 4])
                              : StrangerInThread::ok("token.thumbprint");
            }),
            "proven");
  EXPECT_EQ(hops, 11);
}

TEST_F(Http01Test, FollowsNoMoreThanTenRedirects) {
  int hops = 0;
  EXPECT_EQ(verdict_with([&](auto&) {
              hops++;
              return StrangerInThread::redirect(kPath);
            }),
            "connection: more than 10 redirects");
  EXPECT_EQ(hops, 11);
}

TEST_F(Http01Test, RedirectsLeadToNamesOnTheUsualPorts) {
  const auto redirected_to = [&](const std::string& location) {
    return verdict_with([&](auto& head) {
      return head.contains("Host: a.example") ? StrangerInThread::redirect(location)
                                              : StrangerInThread::ok("token.thumbprint");
    });
  };
  EXPECT_EQ(redirected_to("http://B.example/x"), "proven");
  EXPECT_EQ(redirected_to("http://b.example:80/x"), "proven");
  const std::string to_8080 = redirected_to("http://b.example:8080/x");
  EXPECT_EQ(to_8080,
            fmt::format("connection: the redirect to http://b.example:8080/x is not followed: "
                        "not to port {} or 1",
                        settings_.http_port));
  EXPECT_EQ(redirected_to("http://127.0.0.1/x"),
            "connection: the redirect to http://127.0.0.1/x is not followed: not to a name");
  EXPECT_EQ(redirected_to("http://0x7f000001/x"),
            "connection: the redirect to http://127.0.0.1/x is not followed: not to a name");
  EXPECT_EQ(redirected_to("http://[::1]/x"),
            "connection: the redirect to http://[::1]/x is not followed: not to a name");
  EXPECT_EQ(redirected_to("ftp://b.example/x"),
            "connection: the redirect to ftp://b.example/x is not followed: neither http nor "
            "https");
  EXPECT_EQ(redirected_to("http://u@b.example/x"),
            "connection: the redirect to http://u@b.example/x is not followed: not a URL");
  EXPECT_EQ(redirected_to("http://no.example/x"),
            "dns: look up addresses of no.example: the name does not exist");
  EXPECT_THAT(redirected_to("http://b.example/" + std::string(2000, 'x')), HasSubstr("not a URL"));
}

TEST_F(Http01Test, DoesNotFollowSeeOther) {
  EXPECT_THAT(verdict_with([](auto&) { return StrangerInThread::redirect("/x", "303"); }),
              HasSubstr("was answered with status 303"));
}

TEST_F(Http01Test, RedirectsToHttpsAreFollowedWhateverTheCertificate) {
  StrangerInThread secure(
      "127.0.0.1", 0, [](auto&) { return StrangerInThread::ok("token.thumbprint"); },
      any_certificate());
  settings_.https_port = secure.port();
  EXPECT_EQ(verdict_with([](auto&) { return StrangerInThread::redirect("https://b.example/x"); }),
            "proven");
  EXPECT_THAT(secure.requests(), ElementsAre(HasSubstr("Host: b.example\r\n")));
}

TEST_F(Http01Test, SaysWhenTlsFails) {
  StrangerInThread first("127.0.0.1", 0,
                         [](auto&) { return StrangerInThread::redirect("https://b.example/x"); });
  settings_.https_port = first.port();  // speaks no TLS
  settings_.step_timeout = base::Milliseconds(500);
  EXPECT_THAT(verdict_of(first), StartsWith("tls: 127.0.0.1: fetch https://b.example/x: "));
}

TEST_F(Http01Test, AsksOverIpv6First) {
  StrangerInThread v6("::1", 0, [](auto&) { return StrangerInThread::ok("token.thumbprint"); });
  StrangerInThread v4("127.0.0.1", v6.port(), [](auto&) { return StrangerInThread::ok("other"); });
  ASSERT_TRUE(v6.bound() && v4.bound());
  resolver_.put("a.example", {.v6 = {"::1"}, .v4 = {"127.0.0.1"}});
  EXPECT_EQ(verdict_of(v6), "proven");
  EXPECT_THAT(v4.requests(), SizeIs(0));
}

// Whoever answers over IPv6 has answered: what is wrong there is not looked for elsewhere.
TEST_F(Http01Test, DoesNotTurnToIpv4AfterAWrongAnswer) {
  StrangerInThread v6("::1", 0, [](auto&) { return StrangerInThread::ok("other"); });
  StrangerInThread v4("127.0.0.1", v6.port(),
                      [](auto&) { return StrangerInThread::ok("token.thumbprint"); });
  ASSERT_TRUE(v6.bound() && v4.bound());
  resolver_.put("a.example", {.v6 = {"::1"}, .v4 = {"127.0.0.1"}});
  EXPECT_THAT(verdict_of(v6), StartsWith("unauthorized: ::1: http://a.example/"));
  EXPECT_THAT(v4.requests(), SizeIs(0));
}

TEST_F(Http01Test, TurnsToIpv4WhereIpv6RefusesTheConnection) {
  resolver_.put("a.example", {.v6 = {"::1"}, .v4 = {"127.0.0.1"}});
  EXPECT_EQ(verdict_with([](auto&) { return StrangerInThread::ok("token.thumbprint"); }), "proven");
}

TEST_F(Http01Test, TurnsToIpv4WhereIpv6DoesNotAnswer) {
  const auto full = *base::SocketAddress::from("::1", 0);
  const base::FileDescriptor listener(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::bind(listener.get(), full.native(), full.length()), 0);
  ASSERT_EQ(::listen(listener.get(), 0), 0);
  const auto bound = base::SocketAddress::of_socket(listener.get());
  std::vector<base::FileDescriptor> fillers;
  for (int i = 0; i < 4; i++) {  // until the queue is full, and SYNs are dropped
    fillers.emplace_back(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    ::connect(fillers.back().get(), bound.native(), bound.length());
  }
  resolver_.put("a.example", {.v6 = {"::1"}, .v4 = {"127.0.0.1"}});
  settings_.connect_timeout = base::Milliseconds(300);
  StrangerInThread v4("127.0.0.1", bound.port(),
                      [](auto&) { return StrangerInThread::ok("token.thumbprint"); });
  ASSERT_TRUE(v4.bound());
  EXPECT_EQ(verdict_of(v4), "proven");
}

TEST_F(Http01Test, ReportsTheLastAddressThatWasTried) {
  resolver_.put("a.example", {.v6 = {"::1"}, .v4 = {"127.0.0.1"}});
  settings_.http_port = 1;
  EXPECT_EQ(verdict(prove()),
            "connection: 127.0.0.1: fetch http://a.example/.well-known/acme-challenge/token: "
            "connect to 127.0.0.1:1: Connection refused");
}

TEST_F(Http01Test, NeedsAnAddress) {
  validation_.name = "c.example";
  EXPECT_EQ(verdict(prove()), "dns: look up addresses of c.example: the name does not exist");
  resolver_.put("c.example", {});
  EXPECT_EQ(verdict(prove()), "dns: c.example has neither A nor AAAA records");
  resolver_.fail("c.example", {ErrorKind::transient, "c.example: SERVFAIL"});
  EXPECT_EQ(verdict(prove()), "dns: look up addresses of c.example: SERVFAIL");
}

// The metadata service of a cloud answers whoever can connect to it.
TEST_F(Http01Test, ConnectsToNothingThatNobodyOutsideSees) {
  settings_.reach.loopback = Reach::Loopback::refused;
  StrangerInThread server("127.0.0.1", 0,
                          [](auto&) { return StrangerInThread::ok("token.thumbprint"); });
  EXPECT_EQ(verdict_of(server),
            "connection: a.example leads to 127.0.0.1, a loopback address, which this CA does not "
            "connect to");
  resolver_.put("a.example", {.v6 = {"::ffff:127.0.0.1"}, .v4 = {"169.254.169.254"}});
  EXPECT_EQ(verdict_of(server),
            "connection: a.example leads to 169.254.169.254, a link-local address, which this CA "
            "does not connect to");
  validation_.name = "127.0.0.1";
  EXPECT_EQ(verdict_of(server),
            "connection: 127.0.0.1 leads to 127.0.0.1, a loopback address, which this CA does not "
            "connect to");
  EXPECT_THAT(server.requests(), SizeIs(0));
}

TEST_F(Http01Test, TakesTheFirstAddressThatIsInReach) {
  resolver_.put("a.example", {.v6 = {"fe80::1"}, .v4 = {"169.254.1.1", "127.0.0.1"}});
  EXPECT_EQ(verdict_with([](auto&) { return StrangerInThread::ok("token.thumbprint"); }), "proven");
}

TEST_F(Http01Test, LooksAtTheAddressOfEachRedirectAnew) {
  resolver_.put("inside.example", {.v4 = {"169.254.169.254"}});
  EXPECT_EQ(verdict_with([](auto&) {
              return StrangerInThread::redirect("http://inside.example/latest/meta-data/");
            }),
            "connection: inside.example leads to 169.254.169.254, a link-local address, which this "
            "CA does not connect to");
}

// Whoever is validated chooses whom we ask: what we hear there is not for him.
TEST_F(Http01Test, RepeatsNothingOfWhatWasSaidAfterARedirect) {
  const auto inside = [&](const StrangerInThread::Answer& answer) {
    return verdict_with([&](auto& head) {
      return head.contains("Host: a.example")
                 ? StrangerInThread::redirect("http://b.example/latest/meta-data/")
                 : answer;
    });
  };
  EXPECT_EQ(inside(StrangerInThread::ok("secret")),
            "unauthorized: 127.0.0.1: http://b.example/latest/meta-data/ has not the key "
            "authorization of this account");
  EXPECT_EQ(inside(StrangerInThread::redirect("ftp://secret.example/")),
            "connection: redirect 2 is not followed: neither http nor https");
  EXPECT_EQ(inside(StrangerInThread::redirect("http://secret.example/")),
            "dns: redirect 2 leads to a host that cannot be asked");
  int hops = 0;
  EXPECT_EQ(verdict_with([&](auto&) {
              return hops++ < 2 ? StrangerInThread::redirect("http://b.example/secret")
                                : StrangerInThread::ok("secret");
            }),
            "unauthorized: 127.0.0.1: where redirect 2 leads has not the key authorization of this "
            "account");
}

TEST_F(Http01Test, ValidatesAddresses) {
  for (const std::string address : {"127.0.0.1", "::1"}) {
    StrangerInThread server(address, 0, [&](auto& head) {
      return head.contains(kPath)
                 ? StrangerInThread::redirect(fmt::format(
                       fmt::runtime(address == "::1" ? "http://[{}]/x" : "http://{}/x"), address))
                 : StrangerInThread::ok("token.thumbprint");
    });
    validation_.name = address;
    EXPECT_EQ(verdict_of(server), "proven") << address;
  }
}

}  // namespace
}  // namespace everseal::ca
