#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "base/clock.h"
#include "base/command_runner.h"
#include "base/encoding.h"
#include "base/fake_file_system.h"
#include "base/file_descriptor.h"
#include "base/file_system.h"
#include "base/inheritance.h"
#include "base/path_walk.h"
#include "base/stop.h"

namespace everseal::base {
namespace {

Result<int> doubled(Result<int> value) { return TRY(std::move(value)) * 2; }

TEST(Try, GivesTheValueOrReturnsTheFailure) {
  EXPECT_EQ(doubled(21), 42);
  const auto failed = within("answer", doubled(transient("no time")));
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().message, "answer: no time");
  EXPECT_EQ(failed.error().kind, ErrorKind::transient);
}

TEST(Base64url, MatchesRfc4648) {
  EXPECT_EQ(base64url("f"), "Zg");
  EXPECT_EQ(base64url("foobar"), "Zm9vYmFy");
  EXPECT_EQ(base64url("\xff\xef"), "_-8");
  EXPECT_EQ(decode_base64url("_-8"), "\xff\xef");
  EXPECT_EQ(decode_base64url("a+b").error().message, "not base64url at byte 2");
  EXPECT_FALSE(decode_base64url("abcde"));
}

TEST(Pem, WrapsItsLines) {
  EXPECT_EQ(to_pem("X", "\xff\xef"), "-----BEGIN X-----\n/+8=\n-----END X-----\n");
  EXPECT_EQ(to_pem("X", std::string(49, 'a')),
            "-----BEGIN X-----\n"
            "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFh\nYQ==\n"
            "-----END X-----\n");
}

TEST(Printable, EscapesControlsAndCuts) {
  EXPECT_EQ(printable("a\x1b[31m\r\nb"), "a\\x1b[31m\\x0d\\x0ab");
  EXPECT_EQ(printable("grün \xe9"), "grün \\xe9");
  EXPECT_EQ(printable("abcdef", 3), "abc…");
}

TEST(Printable, FaultS6_NoCharacterIsACommand) {
  EXPECT_EQ(printable("a\xC2\x9B"
                      "2J\xE2\x80\xAE\xE2\x81\xA6"
                      "b"),
            "a\\xc2\\x9b2J\\xe2\\x80\\xae\\xe2\\x81\\xa6b");
  EXPECT_EQ(printable("\xC2\xA0\xE2\x80\x9C"), "\xC2\xA0\xE2\x80\x9C");
}

TEST(Printable, FaultS6_LinesKeepTheirLayoutAndColours) {
  EXPECT_EQ(printable_lines("a\tb\r\n\x1b[31;1mred\x1b[0m\n"), "a\tb\r\n\x1b[31;1mred\x1b[0m\n");
  EXPECT_EQ(printable_lines("\x1b[2J\x1b]0;x\x07\rb\x1b"), "\\x1b[2J\\x1b]0;x\\x07\\x0db\\x1b");
  EXPECT_EQ(printable_lines("\x1b[31"), "\\x1b[31");
}

TEST(Time, GoesThroughRfc3339) {
  const Time time = *parse_rfc3339("2026-11-21T04:05:06.789+01:30");
  EXPECT_EQ(to_rfc3339(time), "2026-11-21T02:35:06Z");
  EXPECT_FALSE(parse_rfc3339("2026-11-21T04:05:06"));
  EXPECT_FALSE(parse_rfc3339("yesterday"));
}

TEST(Time, ReadsTheThreeHttpDates) {
  const Time time = *parse_rfc3339("1994-11-06T08:49:37Z");
  EXPECT_EQ(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), time);
  EXPECT_EQ(parse_http_date("Sunday, 06-Nov-94 08:49:37 GMT"), time);
  EXPECT_EQ(parse_http_date("Sun Nov  6 08:49:37 1994"), time);
  EXPECT_FALSE(parse_http_date("120"));
}

TEST(CommandRunner, CatchesOutputAndStatus) {
  const auto output = real_command_runner().run({{"sh", "-c", "echo out; echo err >&2; exit 3"}});
  ASSERT_TRUE(output);
  EXPECT_EQ(output->exit_status, 3);
  EXPECT_EQ(output->output, "out\nerr\n");
}

TEST(CommandRunner, KillsAtTheDeadline) {
  const auto output = real_command_runner().run({{"sleep", "60"}, Seconds(1)});
  ASSERT_FALSE(output);
  EXPECT_EQ(output.error().message, "/usr/bin/sleep did not end within 1 s and was killed");
}

TEST(CommandRunner, KillsWhatGoesOnWithItsOutputClosed) {
  const auto output =
      real_command_runner().run({{"sh", "-c", "exec >&- 2>&-; sleep 60"}, Seconds(1)});
  ASSERT_FALSE(output);
  EXPECT_EQ(output.error().message, "/usr/bin/sh did not end within 1 s and was killed");
}

TEST(CommandRunner, WaitsForNoChildOfTheProgram) {
  const auto output = real_command_runner().run({{"sh", "-c", "sleep 20 & echo begun"}});
  ASSERT_TRUE(output) << output.error().message;
  EXPECT_EQ(output->output, "begun\n");
}

TEST(CommandRunner, StartsProgramsWithSignalsAsTheyAreUsually) {
  ::signal(SIGXFSZ, SIG_IGN);
  const auto output = real_command_runner().run({{"grep", "SigIgn", "/proc/self/status"}});
  ::signal(SIGXFSZ, SIG_DFL);
  ASSERT_TRUE(output);
  // 32 and 33 are the C library's own, which nothing resets: whoever runs this may ignore them.
  constexpr unsigned long kOwn = 3ul << 31;
  EXPECT_EQ(std::stoul(output->output.substr(output->output.find('\t')), nullptr, 16) & ~kOwn, 0u)
      << output->output;
}

// One line for each descriptor.
TEST(CommandRunner, FaultS9_LeavesProgramsNothingOfWhoeverStartedUs) {
  const FileDescriptor left(::open("/etc/passwd", O_RDONLY));
  ASSERT_EQ(::fcntl(left.get(), F_SETFD, 0), 0);
  const auto output = real_command_runner().run(
      {{"sh", "-c", "pwd; for fd in /proc/$$/fd/*; do readlink $fd; done; cat /proc/$$/stat"}});
  ASSERT_TRUE(output) << output.error().message;
  EXPECT_TRUE(output->output.starts_with("/\n/memfd:input")) << output->output;
  EXPECT_FALSE(output->output.contains("/etc/passwd")) << output->output;
  // After the name: state, parent, group, session, terminal (proc(5)).
  std::istringstream stat(output->output.substr(output->output.rfind(')') + 1));
  std::string state;
  int parent = 0, group = 0, session = 0, terminal = -1;
  stat >> state >> parent >> group >> session >> terminal;
  EXPECT_EQ(parent, ::getpid());
  EXPECT_EQ(session, group);
  EXPECT_EQ(terminal, 0);
}

TEST(CommandRunner, FaultS9_WhatIsNotKnownToHaveEndedWellHasNot) {
  ::signal(SIGCHLD, SIG_IGN);  // the kernel keeps no status (waitpid(2))
  const auto output = real_command_runner().run({{"true"}});
  ::signal(SIGCHLD, SIG_DFL);
  ASSERT_FALSE(output);
  EXPECT_EQ(output.error().message, "/usr/bin/true: find out how it ended: No child processes");
}

TEST(Inheritance, FaultS9_NoSignalIsIgnoredOrBlockedAndNoDescriptorHandedOn) {
  for (const int signal : {SIGCHLD, SIGTERM, SIGPIPE}) ::signal(signal, SIG_IGN);
  sigset_t all, before;
  sigfillset(&all);
  ::sigprocmask(SIG_BLOCK, &all, &before);
  const FileDescriptor left(::open("/etc/passwd", O_RDONLY));
  disown_inheritance();
  EXPECT_EQ(::fcntl(left.get(), F_GETFD), FD_CLOEXEC);
  for (const int signal : {SIGCHLD, SIGTERM, SIGPIPE}) {
    struct sigaction now{};
    ::sigaction(signal, nullptr, &now);
    EXPECT_EQ(now.sa_handler, SIG_DFL) << signal;
    sigset_t blocked;
    ::sigprocmask(SIG_SETMASK, nullptr, &blocked);
    EXPECT_EQ(sigismember(&blocked, signal), 0) << signal;
  }
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
}

class StopAsked : public testing::Test {
 protected:
  StopAsked() { stop_requested = true; }
  ~StopAsked() override { stop_requested = false; }
};

TEST_F(StopAsked, FaultX7_ProgramsThatMayBeEndedAreNotStarted) {
  const auto output = real_command_runner().run({.arguments = {"true"}, .on_stop = OnStop::end});
  ASSERT_FALSE(output);
  EXPECT_EQ(output.error().message, "/usr/bin/true was not started: a signal asked us to end");
}

TEST_F(StopAsked, ProgramsThatMustFinishAreStarted) {
  EXPECT_TRUE(real_command_runner().run({{"true"}}));
}

TEST(CommandRunner, FaultX7_EndsAProgramAndItsChildrenWhenItIsToStop) {
  std::thread asks([] {
    std::this_thread::sleep_for(Milliseconds(300));
    stop_requested = true;
  });
  const auto output = real_command_runner().run(
      {.arguments = {"sh", "-c", "trap 'echo ended' TERM; sleep 60"}, .on_stop = OnStop::end});
  asks.join();
  stop_requested = false;
  ASSERT_FALSE(output);
  EXPECT_EQ(output.error().message, "/usr/bin/sh was ended: a signal asked us to end");
}

TEST(CommandRunner, NamesAMissingProgram) {
  const auto output = real_command_runner().run({{"no-such-program"}});
  ASSERT_FALSE(output);
  EXPECT_EQ(output.error().kind, ErrorKind::not_found);
}

// A directory of root's or ours, with a script in it.
class FaultS5 : public testing::Test {
 protected:
  static std::filesystem::path make_root() {
    std::string pattern = std::filesystem::temp_directory_path() / "runs.XXXXXX";
    return std::filesystem::canonical(::mkdtemp(pattern.data()));
  }
  FaultS5() {
    std::filesystem::create_directory(root_ / "hooks");
    std::ofstream(root_ / "hooks/a") << "#!/bin/sh\necho \"$0\"\n";
    std::filesystem::permissions(root_ / "hooks/a", std::filesystem::perms(0755));
  }
  ~FaultS5() override { std::filesystem::remove_all(root_); }

  std::string run(const std::string& path) {
    const auto output = real_command_runner().run({{root_ / path}});
    return output ? output->output : output.error().message;
  }
  std::string refusal(const std::string& path) {
    return fmt::format(
        "not run: {0} can be changed by other users than {1}; mend it with: chmod "
        "go-w {0}",
        (root_ / path).string(), user_name(::geteuid()));
  }

  const std::filesystem::path root_ = make_root();
};

TEST_F(FaultS5, WhatOthersCanChangeIsNotRun) {
  EXPECT_EQ(run("hooks/a"), (root_ / "hooks/a").string() + "\n");
  std::filesystem::permissions(root_ / "hooks/a", std::filesystem::perms(0775));
  EXPECT_EQ(run("hooks/a"), refusal("hooks/a"));
  std::filesystem::permissions(root_ / "hooks/a", std::filesystem::perms(0755));
  std::filesystem::permissions(root_ / "hooks", std::filesystem::perms(0777));
  EXPECT_EQ(run("hooks/a"), refusal("hooks"));
}

TEST_F(FaultS5, WhatASymlinkLeadsToIsRunWithoutIt) {
  std::filesystem::create_symlink("hooks/a", root_ / "link");
  EXPECT_EQ(run("link"), (root_ / "hooks/a").string() + "\n");
  std::filesystem::permissions(root_ / "hooks", std::filesystem::perms(0777));
  EXPECT_EQ(run("link"), refusal("hooks"));
}

class RealFiles : public testing::Test {
 protected:
  RealFiles()
      : directory_(std::filesystem::temp_directory_path() /
                   ("everseal-base-" + std::to_string(getpid()))) {
    std::filesystem::create_directories(directory_);
  }
  ~RealFiles() override { std::filesystem::remove_all(directory_); }
  std::string path(const std::string& name) const { return directory_ / name; }
  FileSystem& files_ = real_file_system();

 private:
  std::filesystem::path directory_;
};

TEST_F(RealFiles, CreateOnlyWhatIsNew) {
  ASSERT_TRUE(files_.create(path("a"), "bytes", 0640));
  EXPECT_EQ(files_.read(path("a")), "bytes");
  EXPECT_EQ(files_.status(path("a"))->mode, 0640u);
  EXPECT_FALSE(files_.create(path("a"), "other", 0640));
  ASSERT_TRUE(files_.make_symlink("nowhere", path("link")));
  EXPECT_FALSE(files_.create(path("link"), "other", 0640));
}

TEST_F(RealFiles, RefuseToReadWhatIsNoFile) {
  EXPECT_EQ(files_.read(path("missing")).error().kind, ErrorKind::not_found);
  EXPECT_EQ(files_.read(path("")).error().kind, ErrorKind::invalid);
}

TEST_F(RealFiles, AreReplacedDurably) {
  ASSERT_TRUE(write_durably(files_, path("f"), "one", 0600));
  ASSERT_TRUE(write_durably(files_, path("f"), "two", 0600));
  EXPECT_EQ(files_.read(path("f")), "two");
  EXPECT_EQ(files_.list(path("")), std::vector<std::string>{"f"});
}

TEST_F(RealFiles, AreMadeAndRemovedAsTrees) {
  ASSERT_TRUE(make_directories(files_, path("a/b/c"), 0700));
  ASSERT_TRUE(files_.create(path("a/b/c/f"), "", 0600));
  ASSERT_TRUE(remove_tree(files_, path("a")));
  EXPECT_FALSE(exists(files_, path("a")));
  EXPECT_TRUE(remove_tree(files_, path("a")));
}

TEST(FakeFileSystem, LosesWhatWasNotSynced) {
  FakeFileSystem files;
  files.put("/d/old", "old");
  ASSERT_TRUE(files.create("/d/new", "new", 0600));
  ASSERT_TRUE(files.sync("/d/new"));
  FileSystem& all = files;
  files.cut_power();
  EXPECT_FALSE(exists(all, "/d/new"));  // its directory was not synced
  ASSERT_TRUE(files.create("/d/new", "new", 0600));
  ASSERT_TRUE(files.sync("/d"));
  files.cut_power();
  EXPECT_EQ(files.read("/d/new"), "");  // its bytes were not
  ASSERT_TRUE(write_durably(files, "/d/old", "changed", 0600));
  files.cut_power();
  EXPECT_EQ(files.read("/d/old"), "changed");
}

TEST(FakeFileSystem, FollowsSymlinks) {
  FakeFileSystem files;
  files.put("/a/versions/1/key", "k");
  ASSERT_TRUE(files.make_directory("/live", 0755));
  ASSERT_TRUE(files.make_symlink("../a/versions/1", "/live/x"));
  EXPECT_EQ(files.read("/live/x/key"), "k");
  EXPECT_EQ(files.real_path("/live/x"), "/a/versions/1");
}

TEST(FakeFileSystem, FailsFromTheGivenOperationOn) {
  FakeFileSystem files;
  files.fail_from(2, ENOSPC);
  EXPECT_TRUE(files.create("/a", "", 0600));
  EXPECT_EQ(files.sync("/a").error().message, "sync /a: No space left on device");
  files.heal();
  EXPECT_TRUE(files.sync("/a"));
}

}  // namespace
}  // namespace everseal::base
