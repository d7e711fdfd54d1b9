#include "nginx/stage.h"

#include <gmock/gmock.h>
#include <signal.h>
#include <stdlib.h>

#include <fstream>

namespace everseal::nginx {
namespace {

using testing::HasSubstr;

// A directory with a real nginx's configuration in it.
class StagedTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/everseal-stage-XXXXXX";
    root_ = ::mkdtemp(name);
    write("nginx.conf", "pid " + root_ +
                            "/pid;\nerror_log stderr;\nevents {}\nhttp {\n    access_log off;\n"
                            "    server { listen unix:" +
                            root_ + "/s; }\n}\n");
    ASSERT_TRUE(files_.make_directory(root_ + "/stage", 0700));
    auto found = Instance::find(base::real_command_runner(), files_,
                                {.binary = "nginx", .config_path = root_ + "/nginx.conf"});
    if (!found) GTEST_SKIP() << found.error().message;
    instance_ = *found;
  }
  void TearDown() override { EXPECT_TRUE(base::remove_tree(files_, root_)); }

  void write(const std::string& name, const std::string& text) {
    std::ofstream(root_ + "/" + name) << text;
  }

  Result<> test(std::map<std::string, std::string> texts) {
    auto result =
        staged_test(*instance_, files_, {std::move(texts), {}, root_ + "/own", root_ + "/stage"});
    EXPECT_EQ(files_.list(root_ + "/stage").value().size(), 0u);
    return result;
  }

  FileSystem& files_ = base::real_file_system();
  std::string root_;
  std::optional<Instance> instance_;
};

TEST_F(StagedTest, FaultS9_IsNotPassedWhereNobodyKnowsHowItEnded) {
  ::signal(SIGCHLD, SIG_IGN);  // the kernel keeps no status (waitpid(2))
  const auto result = test({});
  ::signal(SIGCHLD, SIG_DFL);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().message, "find out how nginx -t ended: No child processes");
}

TEST_F(StagedTest, MissesWhatIsToBeRemoved) {
  const std::string main = root_ + "/nginx.conf", own = root_ + "/own";
  ASSERT_TRUE(files_.make_directory(own, 0700));
  write("own/a.conf", "gzip off;\n");
  std::string text = files_.read(main).value();
  text.insert(text.find("    server"), "    include " + own + "/a.conf;\n");
  const auto result =
      staged_test(*instance_, files_, {{{main, text}}, {own + "/a.conf"}, own, root_ + "/stage"});
  ASSERT_FALSE(result);
  if (result.error().kind == ErrorKind::internal) GTEST_SKIP() << result.error().message;
  EXPECT_THAT(result.error().message, HasSubstr("open() \"" + own + "/a.conf\" failed"));
  EXPECT_TRUE(base::exists(files_, own + "/a.conf"));
}

TEST_F(StagedTest, TestsFilesThatAreNotInPlace) {
  std::string before = files_.read(root_ + "/nginx.conf").value();
  std::string after = before;
  after.insert(after.find("    server"), "    include " + root_ + "/own/*.conf;\n");
  auto result = test({{root_ + "/nginx.conf", after}, {root_ + "/own/a.conf", "gzip off;\n"}});
  if (!result && result.error().kind == ErrorKind::internal) {
    GTEST_SKIP() << result.error().message;
  }
  EXPECT_TRUE(result) << result.error().message;
  auto broken = test({{root_ + "/nginx.conf", after}, {root_ + "/own/a.conf", "gzip of;\n"}});
  EXPECT_THAT(broken.error().message, HasSubstr("invalid value \"of\" in \"gzip\" directive"));
  EXPECT_THAT(broken.error().message, HasSubstr(root_ + "/own/a.conf:1"));
  EXPECT_EQ(files_.read(root_ + "/nginx.conf").value(), before);
  EXPECT_TRUE(files_.list(root_ + "/own").value().empty());
  EXPECT_TRUE(instance_->test());
}

}  // namespace
}  // namespace everseal::nginx
