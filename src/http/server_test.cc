#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <sys/socket.h>

#include <array>
#include <vector>

#include "http/server_in_thread.h"

namespace everseal::http {
namespace {

base::FileDescriptor connect_to(std::uint16_t port) {
  base::FileDescriptor fd(::socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  return fd;
}

std::string exchange(std::uint16_t port, const std::string& request) {
  const base::FileDescriptor fd = connect_to(port);
  EXPECT_EQ(::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(request.size()));
  std::string answer(4096, '\0');
  const ssize_t got = ::recv(fd.get(), answer.data(), answer.size(), MSG_WAITALL);
  answer.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return answer;
}

TEST(Server, AnswersWhatItWasGiven) {
  ServerInThread server;
  server->put("/a", "hello");
  EXPECT_EQ(exchange(server->port(), "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"),
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n"
            "Connection: close\r\n\r\nhello");
  server->remove("/a");
  EXPECT_TRUE(exchange(server->port(), "GET /a HTTP/1.1\r\n\r\n")
                  .starts_with("HTTP/1.1 404 Not Found\r\n"));
  EXPECT_TRUE(exchange(server->port(), "BREW / HTCPCP/1.0\r\n\r\n")
                  .starts_with("HTTP/1.1 404 Not Found\r\n"));
}

TEST(Server, HangsUpOnEndlessRequests) {
  ServerInThread server;
  EXPECT_EQ(exchange(server->port(), "GET /" + std::string(9000, 'x')), "");
}

// More than there are places, in its backlog, too: the kernel refuses none of them.
TEST(Server, ASilentCrowdKeepsNobodyOut) {
  ServerInThread server;
  server->put("/a", "hello");
  std::vector<base::FileDescriptor> crowd;
  for (int i = 0; i < 500; ++i) crowd.push_back(connect_to(server->port()));
  EXPECT_TRUE(exchange(server->port(), "GET /a HTTP/1.1\r\n\r\n").ends_with("hello"));
  std::array<char, 8> bytes{};
  EXPECT_EQ(::recv(crowd.front().get(), bytes.data(), bytes.size(), 0), 0) << "the oldest is gone";
  EXPECT_EQ(::recv(crowd.back().get(), bytes.data(), bytes.size(), MSG_DONTWAIT), -1) << "it stays";
}

TEST(Server, NamesTheAddressThatIsTaken) {
  auto first = Server::listen(0);
  ASSERT_TRUE(first);
  auto second = Server::listen(first->port());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().message,
            "listen on 0.0.0.0:" + std::to_string(first->port()) + ": Address already in use");
  EXPECT_EQ(second.error().kind, ErrorKind::transient);
}

}  // namespace
}  // namespace everseal::http
