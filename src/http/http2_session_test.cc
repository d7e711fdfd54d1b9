#include "http/http2_session.h"

#include <gmock/gmock.h>

namespace everseal::http {
namespace {

using testing::Each;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::uint8_t kData = 0, kHeaders = 1;
constexpr std::uint8_t kEndStream = 1, kEndHeaders = 4;

std::string big_endian(std::size_t number, int bytes) {
  std::string text;
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8)
    text += static_cast<char>(number >> shift & 0xff);
  return text;
}

// RFC 9113 §4.1.
std::string frame(std::uint8_t type, int flags, int stream, const std::string& payload) {
  return big_endian(payload.size(), 3) + static_cast<char>(type) + static_cast<char>(flags) +
         big_endian(static_cast<std::size_t>(stream), 4) + payload;
}

// RFC 7541 §5.1, §5.2.
std::string literal(const std::string& text) {
  if (text.size() < 127) return static_cast<char>(text.size()) + text;
  std::string length = "\x7f";
  std::size_t rest = text.size() - 127;
  for (; rest >= 128; rest >>= 7) length += static_cast<char>((rest & 127) | 128);
  return length + static_cast<char>(rest) + text;
}

// RFC 7541 §6.2.2: literals that no table keeps.
std::string field(const std::string& name, const std::string& value) {
  return std::string(1, '\0') + literal(name) + literal(value);
}

std::string post(const std::string& more = "") {
  return field(":method", "POST") + field(":scheme", "https") + field(":path", "/a") +
         field(":authority", "ca.test") + more;
}

class Http2SessionTest : public testing::Test {
 protected:
  Http2SessionTest() { session_.feed("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, "")); }

  void begin(int stream, const std::string& head) {
    EXPECT_TRUE(session_.feed(frame(kHeaders, kEndHeaders, stream, head)));
  }
  void send_body(int stream, const std::string& body) {
    EXPECT_TRUE(session_.feed(frame(kData, kEndStream, stream, body)));
  }
  bool reset(int stream) { return session_.feed(frame(3, 0, stream, big_endian(8, 4))); }
  // How the requests since the last call were refused; 0: they were not.
  std::vector<int> refusals() {
    std::vector<int> all;
    for (const StreamRequest& each : session_.requests()) all.push_back(each.read.refused);
    return all;
  }

  const bool is_there_ = Http2Session::open_library().has_value();
  Http2Session session_{{.most_head_bytes = 16 << 10, .most_body_bytes = 64 << 10}, 128};
};

TEST_F(Http2SessionTest, GivesRequestsThatAreWhole) {
  begin(1, post());
  EXPECT_THAT(session_.requests(), IsEmpty());
  send_body(1, "body");
  const auto all = session_.requests();
  ASSERT_THAT(all, SizeIs(1));
  EXPECT_EQ(all[0].read.request.body, "body");
  EXPECT_EQ(all[0].read.host, "ca.test");
}

TEST_F(Http2SessionTest, RequestsThatAreNeverWholeTakeLittle) {
  for (int i = 0; i < 25; i++) begin(2 * i + 1, post(field("x", std::string(10'000, 'x'))));
  EXPECT_THAT(refusals(), IsEmpty());
  for (int i = 25; i < 100; i++) begin(2 * i + 1, post(field("x", std::string(10'000, 'x'))));
  const auto refused = refusals();
  EXPECT_THAT(refused, SizeIs(testing::Ge(73u)));
  EXPECT_THAT(refused, Each(431));
  reset(1);
  begin(201, post());
  send_body(201, "");
  EXPECT_THAT(refusals(), Each(0));
}

TEST_F(Http2SessionTest, RequestsThatAreWholeAreNotCounted) {
  for (int i = 0; i < 100; i++) {
    begin(2 * i + 1, post());
    send_body(2 * i + 1, std::string(10'000, 'x'));
    session_.output();
  }
  EXPECT_THAT(refusals(), Each(0));
}

// As libcurl ends each stream.
TEST_F(Http2SessionTest, AnswersThatAreTakenMayEndInAReset) {
  for (int id = 1; id < 10'000; id += 2) {
    begin(id, post());
    send_body(id, "");
    ASSERT_THAT(session_.requests(), SizeIs(1));
    session_.answer(id, {.status = 200});
    session_.output();
    ASSERT_TRUE(reset(id)) << id;
  }
  EXPECT_FALSE(session_.is_over());
}

TEST_F(Http2SessionTest, WhoGivesUpRequestAfterRequestIsSentAway) {
  int id = 1;
  do {
    begin(id, post());
    send_body(id, "");
    session_.requests();
  } while (reset(id) && (id += 2) < 10'000);
  EXPECT_EQ(id / 2, 1000);
}

}  // namespace
}  // namespace everseal::http
