#include "base/connection.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

namespace everseal::base {
namespace {

// A Unix socket that answers one visitor.
class Listener {
 public:
  Listener() : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    std::filesystem::remove(path);
    const SocketAddress address = *SocketAddress::local(path);
    const auto* generic = static_cast<const sockaddr*>(static_cast<const void*>(&address.storage));
    EXPECT_EQ(::bind(socket_.get(), generic, address.size), 0);
    EXPECT_EQ(::listen(socket_.get(), 1), 0);
  }
  ~Listener() { std::filesystem::remove(path); }

  FileDescriptor accept() const {
    return FileDescriptor(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  }

  const std::string path =
      std::filesystem::temp_directory_path() / ("everseal-listener-" + std::to_string(getpid()));

 private:
  FileDescriptor socket_;
};

constexpr Milliseconds kShort{50}, kLong{10'000};

TEST(Connection, CarriesBytesBothWays) {
  const Listener listener;
  std::jthread other([&] {
    FileDescriptor visitor = listener.accept();
    char buffer[2];
    EXPECT_EQ(::recv(visitor.get(), buffer, sizeof buffer, MSG_WAITALL), 2);
    EXPECT_EQ(::send(visitor.get(), "answer", 6, MSG_NOSIGNAL), 6);
  });
  auto connection = Connection::open(*SocketAddress::local(listener.path), kLong, "ask");
  ASSERT_TRUE(connection) << connection.error().message;
  ASSERT_TRUE(connection->send("hi"));
  EXPECT_EQ(connection->receive(4), "answ");
  EXPECT_EQ(connection->receive(100), "er");
}

TEST(Connection, EndsByItsDeadline) {
  const Listener listener;
  auto connection = Connection::open(*SocketAddress::local(listener.path), kShort, "ask");
  ASSERT_TRUE(connection) << connection.error().message;
  const auto answer = connection->receive(100);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().message, "ask: no answer in time");
  EXPECT_EQ(answer.error().kind, ErrorKind::transient);
}

TEST(Connection, SaysWhyThereIsNone) {
  const auto nobody = Connection::open(*SocketAddress::local("/nonexistent/s"), kLong, "ask");
  ASSERT_FALSE(nobody);
  EXPECT_EQ(nobody.error().message, "ask: No such file or directory");
  EXPECT_EQ(SocketAddress::local(std::string(108, 'a')).error().message,
            "the path of the socket is longer than 107 bytes");
  EXPECT_EQ(SocketAddress::internet("localhost", 1).error().message,
            "'localhost' is not a numeric address");
}

}  // namespace
}  // namespace everseal::base
