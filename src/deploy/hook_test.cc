#include "deploy/hook.h"

#include <gtest/gtest.h>

#include "base/fake_command_runner.h"
#include "base/fake_file_system.h"

namespace everseal::deploy {
namespace {

const HandedOver kCertificate{.name = "a.example",
                              .names = {"a.example", "b.example"},
                              .directory = "/s/live/a.example",
                              .has_key = true,
                              .fingerprint = "ab12",
                              .expires = *base::parse_rfc3339("2026-11-21T20:00:00Z")};

TEST(Hook, IsToldAboutTheCertificate) {
  EXPECT_EQ(hook_environment(kCertificate),
            (std::vector<std::string>{
                "EVERSEAL_NAME=a.example", "EVERSEAL_NAMES=a.example b.example",
                "EVERSEAL_DIRECTORY=/s/live/a.example",
                "EVERSEAL_FULLCHAIN=/s/live/a.example/fullchain.pem",
                "EVERSEAL_KEY=/s/live/a.example/privkey.pem",
                "EVERSEAL_BUNDLE=/s/live/a.example/bundle.pem", "EVERSEAL_FINGERPRINT=ab12",
                "EVERSEAL_EXPIRES=2026-11-21T20:00:00Z"}));
  HandedOver without_key = kCertificate;
  without_key.has_key = false;
  EXPECT_EQ(hook_environment(without_key)[4], "EVERSEAL_KEY=");
  EXPECT_EQ(hook_environment(without_key)[5], "EVERSEAL_BUNDLE=");
}

TEST(Hook, OfADirectoryHasAPlainName) {
  base::FakeFileSystem files;
  for (const char* name : {"b", "a-1", "c.sh", "d~", ".e"})
    files.put(std::string("/hooks/") + name, "x", 0755);
  files.put("/hooks/no", "x", 0644);
  ASSERT_TRUE(files.make_symlink("/not/mounted", "/hooks/away"));
  ASSERT_TRUE(files.make_directory("/hooks/directory", 0755));
  EXPECT_EQ(
      hooks_in(files, "/hooks"),
      (std::vector<HookFile>{{"/hooks/a-1"}, {"/hooks/away"}, {"/hooks/b"}, {"/hooks/no", false}}));
  EXPECT_EQ(hooks_in(files, "/none"), std::vector<HookFile>());
}

TEST(Hook, IsNotOutOfTheWorldWhereItsDirectoryCannotBeRead) {
  base::FakeFileSystem files;
  files.put("/file", "x");
  files.put("/here", "x");
  ASSERT_TRUE(files.make_symlink("/not/mounted", "/link"));
  for (const char* directory : {"/file", "/link", "/link/deploy.d", "/file/deploy.d"})
    EXPECT_FALSE(hooks_in(files, directory)) << directory;
  for (const char* directory : {"/none", "/none/deploy.d"})
    EXPECT_EQ(hooks_in(files, directory), std::vector<HookFile>()) << directory;
}

TEST(Hook, HasItsTime) {
  base::FakeCommandRunner runner;
  EXPECT_TRUE(run_hook("/hooks/good", kCertificate, base::Seconds(7), runner));
  ASSERT_EQ(runner.commands.size(), 1u);
  EXPECT_EQ(runner.commands[0].arguments, std::vector<std::string>{"/hooks/good"});
  EXPECT_EQ(runner.commands[0].timeout, base::Seconds(7));
}

TEST(Hook, FailsWithItsOwnWords) {
  base::FakeCommandRunner runner;
  runner.answer = {2, "no disk\x1b\n"};
  EXPECT_EQ(run_hook("/h", kCertificate, base::Seconds(1), runner).error().message,
            "/h ended with status 2: no disk\\x1b");
  runner.answer = {1, ""};
  EXPECT_EQ(run_hook("/h", kCertificate, base::Seconds(1), runner).error().message,
            "/h ended with status 1");
}

}  // namespace
}  // namespace everseal::deploy
