#include "http/request_reader.h"

#include <gmock/gmock.h>

namespace everseal::http {
namespace {

using testing::IsEmpty;

ReadRequest read(std::string_view bytes, RequestLimits limits = {}) {
  RequestReader reader(limits);
  reader.feed(bytes);
  return reader.next().value_or(ReadRequest{.refused = -1});
}

int refusal(std::string_view bytes, RequestLimits limits = {}) {
  return read(bytes, limits).refused;
}

constexpr int kWaits = -1;

TEST(RequestReader, ReadsARequestByteByByte) {
  constexpr std::string_view kPost =
      "POST /new-order?x=1 HTTP/1.1\r\nHost: CA.example:14000\r\nContent-Type: a/b \r\n"
      "content-length: 5\r\n\r\nhello";
  RequestReader reader;
  for (const char& byte : kPost.substr(0, kPost.size() - 1)) {
    reader.feed({&byte, 1});
    ASSERT_FALSE(reader.next());
  }
  reader.feed("o");
  const auto read = reader.next();
  ASSERT_TRUE(read);
  EXPECT_EQ(read->refused, 0);
  EXPECT_EQ(read->request.method, Method::post);
  EXPECT_EQ(read->request.url, "/new-order?x=1");
  EXPECT_EQ(read->host, "ca.example:14000");
  EXPECT_EQ(read->request.body, "hello");
  EXPECT_EQ(read->request.headers[1].name, "Content-Type");
  EXPECT_EQ(read->request.headers[1].value, "a/b");
  EXPECT_FALSE(read->last);
}

TEST(RequestReader, ReadsOneRequestAfterTheOther) {
  RequestReader reader;
  reader.feed(
      "HEAD /a HTTP/1.1\r\nHost: h\r\n\r\nGET http://x/b HTTP/1.1\r\nHost: h\r\nConnection: "
      "close\r\n\r\n"
      "GET /c HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(reader.next()->request.url, "/a");
  const auto second = reader.next();
  EXPECT_EQ(second->request.url, "/b");
  EXPECT_TRUE(second->last);
  EXPECT_FALSE(reader.next());
}

TEST(RequestReader, WaitsForTheRest) {
  EXPECT_EQ(refusal(""), kWaits);
  EXPECT_EQ(refusal("GET / HTTP/1.1\r\nHost: h\r\n"), kWaits);
  EXPECT_EQ(refusal("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n1"), kWaits);
}

TEST(RequestReader, RefusesWhatCouldBeReadOtherwise) {
  for (const std::string_view head :
       {"GET / HTTP/1.1\nHost: h", "GET  HTTP/1.1", "GET /", "GET / HTTP/1.1", "G\x01T / HTTP/1.1",
        "GET relative HTTP/1.1\r\nHost: h", "GET /\x80 HTTP/1.1\r\nHost: h",
        "GET /a b HTTP/1.1\r\nHost: h", "GET / HTTP/1.1\r\nHost: h\r\nHost: h",
        "GET / HTTP/1.1\r\nHost: a b", "GET / HTTP/1.1\r\nHost: h\r\n folded: x",
        "GET / HTTP/1.1\r\nHost: h\r\nName : x", "GET / HTTP/1.1\r\nHost: h\r\nX: \x01",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 1",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +1",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length:", "hello"})
    EXPECT_EQ(refusal(std::string(head) + "\r\n\r\n"), 400) << head;
  EXPECT_EQ(refusal("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"), 411);
  EXPECT_EQ(refusal("PUT / HTTP/1.1\r\nHost: h\r\n\r\n"), 405);
  EXPECT_EQ(refusal("GET / HTTP/2.0\r\nHost: h\r\n\r\n"), 505);
}

TEST(RequestReader, RefusesWhatIsTooLarge) {
  const RequestLimits limits{.most_head_bytes = 100, .most_body_bytes = 10};
  EXPECT_EQ(refusal(std::string(104, 'a'), limits), 431);
  EXPECT_EQ(
      refusal("GET / HTTP/1.1\r\nHost: h\r\nX: " + std::string(100, 'a') + "\r\n\r\n", limits),
      431);
  EXPECT_EQ(refusal("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\n", limits), 413);
  EXPECT_EQ(refusal("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999999\r\n\r\n",
                    limits),
            413);
}

TEST(RequestReader, ReadsNothingAfterARefusal) {
  RequestReader reader;
  reader.feed("BAD\r\n\r\n");
  EXPECT_TRUE(reader.next()->last);
  reader.feed("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_FALSE(reader.next());
}

TEST(RequestReader, TellsOfClientsThatWaitForLeave) {
  RequestReader reader;
  reader.feed("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_FALSE(reader.next());
  EXPECT_TRUE(reader.take_expectation());
  EXPECT_FALSE(reader.take_expectation());
  reader.feed("x");
  EXPECT_EQ(reader.next()->request.body, "x");
}

TEST(Response, IsWrittenWithItsLength) {
  const Response response{.status = 201, .headers = {{"A", "b"}}, .body = "body"};
  EXPECT_EQ(to_bytes(response, Body::send, false),
            "HTTP/1.1 201 Created\r\nA: b\r\nContent-Length: 4\r\n\r\nbody");
  EXPECT_EQ(to_bytes(response, Body::leave_out, true),
            "HTTP/1.1 201 Created\r\nA: b\r\nContent-Length: 4\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(to_bytes({.status = 204}, Body::send, false), "HTTP/1.1 204 No Content\r\n\r\n");
}

}  // namespace
}  // namespace everseal::http
