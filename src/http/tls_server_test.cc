#include "http/tls_server.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <atomic>
#include <functional>
#include <thread>

#include "base/address.h"
#include "http/certificate_fixture.h"
#include "http/curl_transport.h"

namespace everseal::http {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

Instant in(base::Milliseconds time) { return std::chrono::steady_clock::now() + time; }

// A server on one thread, answering by a function of the test's.
class TlsServerTest : public testing::Test {
 protected:
  using Handler = std::function<void(TlsServer&, const std::vector<Arrival>&)>;

  void start(ServerLimits limits = {}) {
    server_.emplace(*TlsServer::listen({"127.0.0.1:0"}, files_.names(), limits));
    server_->watch(stop_.get());
    thread_ = std::thread([this] {
      while (!stopped_) handler_(*server_, server_->wait(in(base::Seconds(10))));
    });
  }

  ~TlsServerTest() override {
    stopped_ = true;
    ::eventfd_write(stop_.get(), 1);
    if (thread_.joinable()) thread_.join();
  }

  std::string address() const { return server_->addresses().front(); }

  std::unique_ptr<CurlTransport> client() const {
    return *CurlTransport::open({.trusted_pem = files_.trusted(), .addresses = {}});
  }

  Result<Response> fetch(Request request) {
    request.url = fmt::format("https://{}{}", address(), request.url);
    const auto transport = client();
    transport->send(1, std::move(request));
    return transport->wait(in(base::Seconds(10)))[0].result;
  }

  // All that comes after `bytes` were sent on a new connection without TLS.
  std::string talk(std::string_view bytes) {
    base::FileDescriptor socket = connect();
    EXPECT_TRUE(base::write_all(socket, bytes, "send"));
    return hear(socket);
  }

  base::FileDescriptor connect() {
    const auto to = *base::SocketAddress::parse(address());
    base::FileDescriptor socket(::socket(to.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::connect(socket.get(), to.native(), to.length()), 0);
    return socket;
  }

  static std::string hear(const base::FileDescriptor& socket) {
    std::string heard;
    char buffer[1000];
    for (;;) {
      const ssize_t got = ::recv(socket.get(), buffer, sizeof buffer, 0);
      if (got <= 0) return heard;
      heard.append(buffer, static_cast<std::size_t>(got));
    }
  }

  // What it answers: the request, in words.
  static Response echo(const Arrival& arrival) {
    const auto method = static_cast<int>(arrival.request.method);
    return {.status = arrival.refused == 0 ? 200 : arrival.refused,
            .headers = {{"Replay-Nonce", "n"}},
            .body = fmt::format("{} {} {} {}", method, arrival.request.url, arrival.client,
                                arrival.request.body)};
  }
  static void answer_all(TlsServer& server, const std::vector<Arrival>& arrivals) {
    for (const Arrival& each : arrivals) server.answer(each.id, echo(each));
  }

  CertificateFiles files_;
  Handler handler_ = answer_all;
  std::optional<TlsServer> server_;

 private:
  base::FileDescriptor stop_{::eventfd(0, EFD_CLOEXEC)};
  std::atomic<bool> stopped_ = false;
  std::thread thread_;
};

TEST_F(TlsServerTest, AnswersByHttp2) {
  start();
  const auto got = fetch({.method = Method::post, .url = "/a?b", .body = "body"});
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_EQ(got->body, fmt::format("2 https://{}/a?b 127.0.0.1 body", address()));
  EXPECT_EQ(*got->header("replay-nonce"), "n");
}

TEST_F(TlsServerTest, FaultP1_EachOfManyAnswersAtOnceIsHeard) {
  start();
  const auto transport = *CurlTransport::open({.trusted_pem = files_.trusted(),
                                               .addresses = {},
                                               .connect_timeout = base::Seconds(60),
                                               .total_timeout = base::Seconds(30)});
  for (int round = 0; round < 1000; round++) {
    constexpr std::uint64_t kMany = 8;
    for (std::uint64_t id = 0; id < kMany; id++)
      transport->send(id, {.url = fmt::format("https://{}/{}", address(), id)});
    for (std::size_t left = kMany; left > 0;) {
      const auto done = transport->wait(in(base::Seconds(100)));
      for (const Completion& each : done) ASSERT_TRUE(each.result) << each.result.error().message;
      left -= done.size();
    }
  }
}

TEST_F(TlsServerTest, HeadHasHeadersAlone) {
  start();
  const auto got = fetch({.method = Method::head, .url = "/"});
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_EQ(got->status, 200);
  EXPECT_EQ(got->body, "");
}

TEST_F(TlsServerTest, ManyStreamsComeTogether) {
  std::size_t most = 0;
  handler_ = [&](TlsServer& server, const std::vector<Arrival>& arrivals) {
    most = std::max(most, arrivals.size());
    std::this_thread::sleep_for(base::Milliseconds(5));
    answer_all(server, arrivals);
  };
  start();
  const auto transport = client();
  for (std::uint64_t i = 0; i < 500; i++)
    transport->send(i, {.method = Method::post,
                        .url = fmt::format("https://{}/{}", address(), i),
                        .body = std::string(3000, 'x')});
  std::size_t done = 0;
  while (done < 500) {
    for (const Completion& each : transport->wait(in(base::Seconds(10)))) {
      ASSERT_TRUE(each.result) << each.result.error().message;
      EXPECT_THAT(each.result->body, HasSubstr(fmt::format("/{} ", each.id)));
      done++;
    }
  }
  EXPECT_GT(most, 20u);
}

TEST_F(TlsServerTest, DroppedRequestsHaveNoAnswer) {
  handler_ = [](TlsServer& server, const std::vector<Arrival>& arrivals) {
    for (const Arrival& each : arrivals) server.drop(each.id);
  };
  start();
  EXPECT_EQ(fetch({.url = "/"}).error().kind, ErrorKind::transient);
  EXPECT_EQ(talk("GET / HTTP/1.1\r\nHost: h\r\n\r\n"), "");
}

TEST_F(TlsServerTest, TooLargeBodiesAreRefused) {
  start({.request = {.most_head_bytes = 1000, .most_body_bytes = 2000}});
  const auto got = fetch({.method = Method::post, .url = "/", .body = std::string(2001, 'x')});
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_EQ(got->status, 413);
  EXPECT_THAT(
      talk("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2001\r\n\r\n" + std::string(2001, 'x')),
      StartsWith("HTTP/1.1 413 "));
  const auto long_head = fetch({.url = "/" + std::string(1001, 'x')});
  ASSERT_TRUE(long_head) << long_head.error().message;
  EXPECT_EQ(long_head->status, 431);
}

TEST_F(TlsServerTest, PlainHttpIsToldFromTls) {
  start();
  EXPECT_THAT(talk("GET /crl HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"),
              EndsWith("\r\n\r\n0 http://h/crl 127.0.0.1 "));
}

TEST_F(TlsServerTest, PipelinedRequestsAreAnsweredInTurn) {
  start();
  const std::string heard = talk(
      "GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n"
      "GET /3 HTTP/1.0\r\nHost: h\r\n\r\nGET /4 HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_LT(heard.find("http://h/1"), heard.find("http://h/2"));
  EXPECT_LT(heard.find("http://h/2"), heard.find("http://h/3"));
  EXPECT_THAT(heard, Not(HasSubstr("http://h/4")));
}

TEST_F(TlsServerTest, WhatIsSlowOrSilentEnds) {
  start({.patience = base::Milliseconds(300)});
  EXPECT_EQ(talk(""), "");
  EXPECT_EQ(talk("GET / HTTP/1.1\r\nHo"), "");
  EXPECT_EQ(talk("\x16\x03\x01"), "");
  talk("\x16garbage that is no TLS at all, and more of it than a record's head");
}

TEST_F(TlsServerTest, ANewConnectionTakesThePlaceOfTheOneIdleLongest) {
  start({.most_connections = 2});
  const base::FileDescriptor first = connect(), second = connect(), third = connect();
  EXPECT_EQ(hear(first), "");
  ASSERT_TRUE(base::write_all(third, "GET / HTTP/1.0\r\nHost: h\r\n\r\n", "send"));
  EXPECT_THAT(hear(third), StartsWith("HTTP/1.1 200 OK"));
}

TEST(TlsServer, RefusesWhatItCannotServe) {
  const CertificateFiles files;
  EXPECT_EQ(TlsServer::listen({"localhost:1"}, files.names()).error().message,
            "'localhost:1' is no address and port such as 192.0.2.1:443 or [::1]:443");
  const std::string chain = files.names().chain_file;
  EXPECT_THAT(TlsServer::listen({"127.0.0.1:0"}, {chain, chain}).error().message,
              StartsWith(chain + ": "));
  auto first = *TlsServer::listen({"127.0.0.1:0"}, files.names());
  const auto second = TlsServer::listen(first.addresses(), files.names());
  EXPECT_EQ(second.error().kind, ErrorKind::transient);
  EXPECT_EQ(second.error().message,
            fmt::format("listen on {}: Address already in use", first.addresses()[0]));
}

}  // namespace
}  // namespace everseal::http
