#include "nginx/instance.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/fake_file_system.h"

namespace everseal::nginx {
namespace {

using testing::ElementsAre;

constexpr const char* kAnswer =
    "nginx version: nginx/1.22.1\n"
    "built with OpenSSL 3.0.20 7 Apr 2026 (running with OpenSSL 3.0.22 25 Aug 2026)\n"
    "configure arguments: --with-cc-opt='-g -O2' --prefix=/usr/share/nginx "
    "--conf-path=/etc/nginx/nginx.conf --pid-path=/run/nginx.pid\n";

// A runner that always gives one answer.
class OneAnswer : public CommandRunner {
 public:
  explicit OneAnswer(base::CommandOutput output) : output_(std::move(output)) {}
  Result<base::CommandOutput> run(const base::Command&) override { return output_; }

 private:
  base::CommandOutput output_;
};

// A runner that keeps what it was asked.
class Recorder : public CommandRunner {
 public:
  Result<base::CommandOutput> run(const base::Command& command) override {
    asked = command.arguments;
    return base::CommandOutput{0, kAnswer};
  }
  std::vector<std::string> asked;
};

class InstanceTest : public testing::Test {
 protected:
  InstanceTest() { files_.put("/etc/nginx/nginx.conf", "pid /run/other.pid;\n"); }

  Instance instance() { return Instance::find(runner_, files_, {}).value(); }

  OneAnswer runner_{{0, kAnswer}};
  base::FakeFileSystem files_;
};

TEST_F(InstanceTest, ReadsHowNginxWasBuilt) {
  EXPECT_EQ(instance().version(), (Version{1, 22, 1}));
  EXPECT_EQ(instance().openssl(), (Version{3, 0, 22}));
  EXPECT_EQ(instance().config_path(), "/etc/nginx/nginx.conf");
  EXPECT_EQ(instance().pid_path(), "/run/nginx.pid");
}

// After USR2 the new master is a child of the old one (nginx.org, "Controlling nginx").
TEST_F(InstanceTest, FaultL6_TellsTheOtherMasterOfAnUpgrade) {
  const auto put = [this](int pid, int parent, const std::string& title) {
    files_.put(fmt::format("/proc/{}/stat", pid), fmt::format("{} (nginx) S {} 0", pid, parent));
    files_.put(fmt::format("/proc/{}/cmdline", pid), "nginx: " + title);
  };
  put(77, 1, "master process nginx");
  put(78, 77, "worker process");
  put(79, 77, "worker process is shutting down");
  put(90, 1, "master process nginx -c /srv/other.conf");
  EXPECT_THAT(*instance().other_masters(77), ElementsAre());
  EXPECT_THAT(*instance().leaving_workers(77), ElementsAre(79));
  put(80, 77, "master process nginx");
  EXPECT_THAT(*instance().other_masters(77), ElementsAre())
      << "a worker without a title of its own";
  EXPECT_THAT(*instance().other_masters(80), ElementsAre(77));
  EXPECT_THAT(*instance().workers(77), ElementsAre(78));
}

TEST_F(InstanceTest, FindsTheMasterThatThePidDirectiveNames) {
  files_.put("/run/other.pid", "77\n");
  files_.put("/proc/77/cmdline", "nginx: master process /usr/sbin/nginx");
  EXPECT_EQ(instance().master(), 77);
}

TEST_F(InstanceTest, SaysWhenNginxDoesNotRun) {
  EXPECT_EQ(instance().master().error().message,
            "nginx is not running (pid file /run/other.pid does not exist): start it with "
            "\"systemctl start nginx\" and run again");
  files_.put("/run/other.pid", "77\n");
  EXPECT_EQ(instance().master().error().message,
            "nginx is not running (pid file /run/other.pid names process 77, which is gone): start "
            "it with \"systemctl start nginx\" and run again");
}

TEST_F(InstanceTest, LeavesOtherProgramsAlone) {
  files_.put("/run/other.pid", "77\n");
  files_.put("/proc/77/cmdline", "sleep");
  EXPECT_EQ(instance().reload().error().message,
            "process 77 of the pid file /run/other.pid is not an nginx master but \"sleep\"");
}

TEST_F(InstanceTest, RunsUnlessItsPidFileIsMissingOrStale) {
  EXPECT_EQ(instance().is_running(), false);
  files_.put("/run/other.pid", "77\n");
  EXPECT_EQ(instance().is_running(), false);
  files_.put("/proc/77/cmdline", "sleep");
  EXPECT_EQ(instance().is_running(), false);
  files_.put("/proc/77/cmdline", "nginx: master process /usr/sbin/nginx");
  EXPECT_EQ(instance().is_running(), true);
}

TEST_F(InstanceTest, IsNotTakenForEndedWhereItsConfigurationCannotBeRead) {
  files_.put("/etc/nginx/nginx.conf", "include everseal/tls.conf;\n");
  const auto running = instance().is_running();
  ASSERT_FALSE(running);
  EXPECT_EQ(running.error().kind, ErrorKind::invalid);
  EXPECT_EQ(running.error().message,
            "whether nginx runs is not known, as its configuration cannot be read: "
            "/etc/nginx/nginx.conf:1: resolve /etc/nginx/everseal/tls.conf: No such file or "
            "directory");
}

TEST_F(InstanceTest, ListsWorkersThatStay) {
  files_.put("/run/other.pid", "77\n");
  files_.put("/proc/77/cmdline", "nginx: master process nginx");
  files_.put("/proc/77/stat", "77 (nginx) S 1 77");
  files_.put("/proc/79/cmdline", "nginx: worker process");
  files_.put("/proc/79/stat", "79 (nginx) S 77 77");
  files_.put("/proc/78/cmdline", "nginx: worker process is shutting down");
  files_.put("/proc/78/stat", "78 (nginx) S 77 77");
  files_.put("/proc/90/cmdline", "nginx: worker process");
  files_.put("/proc/90/stat", "90 (nginx) S 89 77");
  EXPECT_THAT(instance().workers(77).value(), ElementsAre(79));
}

TEST_F(InstanceTest, GoesThroughSudoWithCommandsThatSudoersCanName) {
  Recorder recorder;
  files_.put("/usr/sbin/nginx", "");
  files_.put("/run/other.pid", "77\n");
  files_.put("/proc/77/cmdline", "nginx: master process nginx");
  Instance nginx = Instance::find(recorder, files_, {}).value();
  nginx.go_through(Gate::sudo);
  ASSERT_TRUE(nginx.test());
  EXPECT_THAT(recorder.asked,
              ElementsAre("sudo", "-n", "/usr/sbin/nginx", "-t", "-c", "/etc/nginx/nginx.conf"));
  ASSERT_TRUE(nginx.reload());
  EXPECT_THAT(recorder.asked, ElementsAre("sudo", "-n", "/usr/sbin/nginx", "-s", "reload", "-c",
                                          "/etc/nginx/nginx.conf"));
}

TEST(TestOutput, KeepsNginxsWords) {
  EXPECT_EQ(read_test_output(1,
                             "nginx: [warn] something\n"
                             "nginx: [emerg] unknown directive \"x\" in /etc/nginx/a:3\n"
                             "nginx: configuration file /etc/nginx/nginx.conf test failed\n")
                .error()
                .message,
            "nginx -t: [emerg] unknown directive \"x\" in /etc/nginx/a:3");
  EXPECT_TRUE(read_test_output(0, "nginx: [warn] something\n"));
}

}  // namespace
}  // namespace everseal::nginx
