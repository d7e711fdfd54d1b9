#include "http/curl_transport.h"

#include <gmock/gmock.h>

#include "http/server_in_thread.h"

namespace everseal::http {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

Instant in(base::Milliseconds time) { return std::chrono::steady_clock::now() + time; }

Error error_of(const std::string& url) {
  auto transport = *CurlTransport::open({});
  transport->send(7, {.method = Method::get, .url = url, .headers = {}, .body = ""});
  auto done = transport->wait(in(base::Seconds(10)));
  EXPECT_THAT(done, SizeIs(1));
  EXPECT_EQ(done[0].id, 7u);
  EXPECT_FALSE(done[0].result);
  return done[0].result.error();
}

TEST(CurlTransport, SendsNothingWithoutTls) {
  EXPECT_EQ(error_of("http://localhost/").message, "not an https URL: http://localhost/");
  EXPECT_EQ(error_of("file:///etc/passwd").message, "not an https URL: file:///etc/passwd");
}

TEST(CurlTransport, NamesTheAttemptThatFailed) {
  const Error refused = error_of("https://127.0.0.1:1/dir");
  EXPECT_EQ(refused.kind, ErrorKind::transient);
  EXPECT_THAT(refused.message, HasSubstr("https://127.0.0.1:1/dir: Failed to connect"));
}

TEST(CurlTransport, FaultA22_NoPlainTextFallback) {
  ServerInThread server;
  server->put("/dir", "{}");
  const Error error = error_of("https://127.0.0.1:" + std::to_string(server->port()) + "/dir");
  EXPECT_EQ(error.kind, ErrorKind::transient);
}

TEST(CurlTransport, FaultN8_ProxyOfTheEnvironmentIsIgnored) {
  ::setenv("https_proxy", "http://127.0.0.1:2", 1);
  EXPECT_THAT(error_of("https://127.0.0.1:1/").message, HasSubstr("port 1 "));
  ::unsetenv("https_proxy");
}

TEST(CurlTransport, WaitsNoLongerThanTheDeadline) {
  auto transport = *CurlTransport::open({});
  EXPECT_THAT(transport->wait(in(base::Milliseconds(5))), SizeIs(0));
}

}  // namespace
}  // namespace everseal::http
