#include "nginx/gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "base/address.h"
#include "base/file_descriptor.h"

namespace everseal::nginx {
namespace {

using base::FileDescriptor;

// What the gate says when it is answered like this; the socket hears one line first.
Result<base::CommandOutput> ask(std::string_view answer) {
  const std::string path =
      std::filesystem::temp_directory_path() / ("everseal-gate-" + std::to_string(::getpid()));
  std::filesystem::remove(path);
  const FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto address = *base::SocketAddress::local(path);
  EXPECT_EQ(::bind(socket.get(), address.native(), address.length()), 0);
  EXPECT_EQ(::listen(socket.get(), 1), 0);
  const std::jthread other([&] {
    const FileDescriptor visitor(::accept4(socket.get(), nullptr, nullptr, SOCK_CLOEXEC));
    char line[5] = {};
    EXPECT_EQ(::recv(visitor.get(), line, sizeof line, MSG_WAITALL), 5);
    EXPECT_EQ(std::string_view(line, 5), "test\n");
    EXPECT_EQ(::send(visitor.get(), answer.data(), answer.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(answer.size()));
  });
  auto output = ask_gate(path, "test");
  std::filesystem::remove(path);
  return output;
}

TEST(Gate, SaysWhatNginxSaid) {
  const auto good = ask("status 0\n");
  ASSERT_TRUE(good) << good.error().message;
  EXPECT_EQ(good->exit_status, 0);
  EXPECT_EQ(good->output, "");
  const auto bad = ask("nginx: [emerg] unknown directive \"status 0\"\nstatus 1\n");
  ASSERT_TRUE(bad) << bad.error().message;
  EXPECT_EQ(bad->exit_status, 1);
  EXPECT_EQ(bad->output, "nginx: [emerg] unknown directive \"status 0\"\n");
}

TEST(Gate, TakesNothingElseForAnAnswer) {
  for (const char* answer : {"", "0\n", "status\n", "status 0", "status x\n", "status 0 \n",
                             "the status 0\n", "status 0\nand more\n"})
    EXPECT_THAT(ask(answer).error().message, testing::HasSubstr("is no answer of everseal-nginx"))
        << answer;
  EXPECT_THAT(ask_gate("/nonexistent/gate", "test").error().message,
              testing::HasSubstr("connect to /nonexistent/gate: No such file"));
}

// Answers the same to every command.
class Sudo : public CommandRunner {
 public:
  Sudo(int status, std::string output) : answer_{status, std::move(output)} {}
  Result<base::CommandOutput> run(const base::Command&) override { return answer_; }

 private:
  const base::CommandOutput answer_;
};

TEST(Sudo, RefusalIsToldFromNginxs) {
  Sudo refuses(1,
               "sudo: unable to resolve host vm: Name or service not known\n"
               "sudo: a password is required\n");
  EXPECT_EQ(run_by_sudo(refuses, {"nginx", "-t"}).error().message,
            "sudo does not run nginx for this user: a password is required. Run `everseal setup "
            "--user NAME` as root, NAME being the user that runs this");
  Sudo runs(1,
            "sudo: unable to resolve host vm: Name or service not known\n"
            "nginx: [emerg] unknown directive \"x\" in /etc/nginx/a:3\n");
  const auto answer = run_by_sudo(runs, {"nginx", "-t"});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_THAT(answer->output, testing::StartsWith("nginx: [emerg] unknown directive"));
}

}  // namespace
}  // namespace everseal::nginx
