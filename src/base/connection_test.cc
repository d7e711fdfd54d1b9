#include "base/connection.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
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

// What runs as nobody, to whom root gives a directory or not.
class FaultS1Socket : public testing::Test {
 protected:
  static constexpr uid_t kNobody = 65534;

  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can give anything to others";
    std::string pattern = std::filesystem::temp_directory_path() / "socket.XXXXXX";
    root_ = ::mkdtemp(pattern.data());
    std::filesystem::permissions(root_, std::filesystem::perms(0755));
  }
  void TearDown() override {
    if (child_ > 0) ::kill(child_, SIGKILL);
    if (child_ > 0) ::waitpid(child_, nullptr, 0);
    if (!root_.empty()) std::filesystem::remove_all(root_);
  }

  void make(const std::filesystem::path& directory, unsigned mode, uid_t owner) {
    std::filesystem::create_directory(root_ / directory);
    std::filesystem::permissions(root_ / directory, std::filesystem::perms(mode));
    ASSERT_EQ(::chown((root_ / directory).c_str(), owner, owner), 0);
  }

  // `user` makes the socket, and listens.
  void listen(const std::filesystem::path& path, uid_t user) {
    const FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    int ready[2];
    ASSERT_EQ(::pipe(ready), 0);
    child_ = ::fork();
    if (child_ == 0) {
      const SocketAddress address = *SocketAddress::local((root_ / path).string());
      if (::setresgid(user, user, user) == 0 && ::setresuid(user, user, user) == 0 &&
          ::bind(socket.get(), address.native(), address.length()) == 0 &&
          ::listen(socket.get(), 9) == 0)
        static_cast<void>(::write(ready[1], "", 1));
      ::close(ready[1]);
      while (true) ::pause();
    }
    ::close(ready[1]);
    char byte = 1;
    ASSERT_EQ(::read(ready[0], &byte, 1), 1) << "nobody listens";
    ::close(ready[0]);
  }

  // "" if it is talked to.
  std::string refusal(const std::filesystem::path& path) {
    const auto opened =
        Connection::open_trusted((root_ / path).string(), std::chrono::steady_clock::now() + kLong);
    return opened ? "" : opened.error().message;
  }

  std::filesystem::path root_;
  pid_t child_ = 0;
};

TEST_F(FaultS1Socket, RootIsTalkedToWhereverItListens) {
  make("shared", 01777, 0);
  listen("shared/s", 0);
  EXPECT_EQ(refusal("shared/s"), "");
}

TEST_F(FaultS1Socket, AUserIsTalkedToInADirectoryThatRootGave) {
  make("service", 02775, kNobody);
  listen("service/s", kNobody);
  EXPECT_EQ(refusal("service/s"), "");
}

TEST_F(FaultS1Socket, NobodyIsTalkedToWhoCameFirst) {
  make("shared", 01777, 0);
  listen("shared/s", kNobody);
  EXPECT_TRUE(refusal("shared/s").contains("is listened at by user nobody, to whom root has not"))
      << refusal("shared/s");
}

TEST_F(FaultS1Socket, NobodyIsTalkedToInADirectoryThatHeTook) {
  make("shared", 01777, 0);
  make("shared/taken", 0755, kNobody);
  listen("shared/taken/s", kNobody);
  EXPECT_TRUE(refusal("shared/taken/s").contains("to whom root has not given it"));
}

TEST_F(FaultS1Socket, ASymlinkOfOthersLeadsToNoSocketOfRoot) {
  make("shared", 01777, 0);
  listen("s", 0);
  std::filesystem::create_symlink(root_ / "s", root_ / "shared/s");
  ASSERT_EQ(::lchown((root_ / "shared/s").c_str(), kNobody, kNobody), 0);
  EXPECT_TRUE(refusal("shared/s").contains("is a symlink that other users can change"));
}

TEST(Connection, WhereNobodyListensThePathIsNamed) {
  const auto missing = Connection::open_trusted("/nonexistent/s", std::chrono::steady_clock::now());
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().kind, ErrorKind::transient);
  EXPECT_EQ(missing.error().message,
            "connect to /nonexistent/s: open /nonexistent: No such file or directory");
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
