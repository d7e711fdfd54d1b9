#include "base/connection.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
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
    EXPECT_EQ(::bind(socket_.get(), address.native(), address.length()), 0);
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

auto open(const std::string& path, Milliseconds timeout) {
  return Connection::open(*SocketAddress::local(path), std::chrono::steady_clock::now() + timeout);
}

TEST(Connection, CarriesBytesBothWays) {
  const Listener listener;
  std::jthread other([&] {
    FileDescriptor visitor = listener.accept();
    char buffer[2];
    EXPECT_EQ(::recv(visitor.get(), buffer, sizeof buffer, MSG_WAITALL), 2);
    EXPECT_EQ(::send(visitor.get(), "answer", 6, MSG_NOSIGNAL), 6);
  });
  auto connection = open(listener.path, kLong);
  ASSERT_TRUE(connection) << connection.error().message;
  ASSERT_TRUE(connection->send("hi"));
  EXPECT_EQ(connection->receive(4), "answ");
  EXPECT_EQ(connection->receive(100), "er");
}

TEST(Connection, HasTheKernelMoveAPartOfAFile) {
  const Listener listener;
  std::string got(5, ' ');
  std::jthread other([&] {
    FileDescriptor visitor = listener.accept();
    EXPECT_EQ(::recv(visitor.get(), got.data(), got.size(), MSG_WAITALL), 5);
  });
  const FileDescriptor file(::memfd_create("file", MFD_CLOEXEC));
  ASSERT_EQ(::write(file.get(), "0123456789", 10), 10);
  auto connection = open(listener.path, kLong);
  ASSERT_TRUE(connection) << connection.error().message;
  EXPECT_TRUE(connection->send_file(file, 3, 5));
  other.join();
  EXPECT_EQ(got, "34567");
  EXPECT_EQ(connection->send_file(file, 10, 1).error().message,
            "connect to " + listener.path + ": the file to send was cut");
}

TEST(Connection, EndsByItsDeadline) {
  const Listener listener;
  auto connection = open(listener.path, kShort);
  ASSERT_TRUE(connection) << connection.error().message;
  const auto answer = connection->receive(100);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().message, "connect to " + listener.path + ": no answer in time");
  EXPECT_EQ(answer.error().kind, ErrorKind::transient);
}

TEST(Connection, SaysWhyThereIsNone) {
  const auto nobody = open("/nonexistent/s", kLong);
  ASSERT_FALSE(nobody);
  EXPECT_EQ(nobody.error().message, "connect to /nonexistent/s: No such file or directory");
  EXPECT_EQ(SocketAddress::local(std::string(108, 'a')).error().message,
            "the path of the socket is longer than 107 bytes");
  EXPECT_EQ(SocketAddress::from("localhost", 1).error().message,
            "'localhost' is not a numeric address");
}

}  // namespace
}  // namespace everseal::base
