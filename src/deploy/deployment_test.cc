#include "deploy/deployment.h"

#include <gtest/gtest.h>

#include "base/fake_command_runner.h"
#include "base/fake_file_system.h"
#include "deploy/reach.h"

namespace everseal::deploy {
namespace {

store::ChangeRecord change(std::vector<ChangedFile> files) {
  store::ChangeRecord record;
  record.state = store::ChangeState::applied;
  record.files = std::move(files);
  return record;
}

// An nginx in memory that never runs.
class ReturnTest : public testing::Test {
 protected:
  ReturnTest() {
    runner_.answer = {0,
                      "nginx version: nginx/1.22.1\nconfigure arguments: --prefix=/n "
                      "--conf-path=/etc/n/nginx.conf --pid-path=/run/nginx.pid\n"};
    files_.put("/etc/n/nginx.conf", "include /etc/n/site;\n");
    files_.put("/etc/n/site", "");
    instance_.emplace(*nginx::Instance::find(runner_, files_, {}));
    context_.emplace(
        Context{files_, catalog_, *instance_, base::real_clock(), "/etc/n/everseal", "/stage"});
  }

  Result<Return> plan(std::vector<ChangedFile> files) {
    return plan_return(*context_, change(std::move(files)));
  }

  base::FakeFileSystem files_;
  base::FakeCommandRunner runner_;
  store::Catalog catalog_ = *store::Catalog::open(":memory:");
  std::optional<nginx::Instance> instance_;
  std::optional<Context> context_;
};

TEST_F(ReturnTest, GivesTheOriginalsBack) {
  files_.put("/etc/n/site", "server {\n    listen 443 ssl;\n}\n");
  files_.put("/etc/n/everseal/acme.conf", "ours\n");
  const auto way = plan({{"/etc/n/site", "server {\n}\n", "server {\n    listen 443 ssl;\n}\n"},
                         {"/etc/n/everseal/acme.conf", std::nullopt, "ours\n"}});
  ASSERT_TRUE(way);
  ASSERT_EQ(way->files.size(), 2u);
  EXPECT_EQ(way->files[0].after, "server {\n}\n");
  EXPECT_EQ(way->files[1].after, std::nullopt);
}

TEST_F(ReturnTest, LeavesOutWhatIsAlreadyBack) {
  files_.put("/etc/n/site", "before\n");
  const auto way =
      plan({{"/etc/n/site", "before\n", "after\n"}, {"/etc/n/gone", std::nullopt, "ours\n"}});
  ASSERT_TRUE(way);
  EXPECT_TRUE(way->files.empty());
}

TEST_F(ReturnTest, KeepsWhatTheAdministratorEditedElsewhere) {
  files_.put("/etc/n/site",
             "# mine\nserver {\n    listen 443 ssl;\n    root /srv;\n    index a;\n}\n");
  const auto way = plan({{"/etc/n/site", "server {\n    root /srv;\n}\n",
                          "server {\n    listen 443 ssl;\n    root /srv;\n}\n"}});
  ASSERT_TRUE(way) << way.error().message;
  EXPECT_EQ(way->files.front().after, "# mine\nserver {\n    root /srv;\n    index a;\n}\n");
}

TEST_F(ReturnTest, NamesWhereTheAdministratorEditedTheSameLines) {
  files_.put("/etc/n/site", "server {\n    listen 8443 ssl;\n}\n");
  const auto way = plan({{"/etc/n/site", "server {\n}\n", "server {\n    listen 443 ssl;\n}\n"}});
  ASSERT_TRUE(way);
  EXPECT_TRUE(way->files.empty());
  EXPECT_EQ(way->conflicts,
            std::vector<std::string>{
                "/etc/n/site: line 2 was changed on both sides\n  it was\n        listen 443 ssl;\n"
                "  it is now\n        listen 8443 ssl;\n  and should become\n    (nothing)\n"});
}

TEST_F(ReturnTest, LeavesAFileOfOursThatWasEdited) {
  files_.put("/etc/n/everseal/tls.conf", "edited\n");
  const auto way = plan({{"/etc/n/everseal/tls.conf", std::nullopt, "ours\n"}});
  ASSERT_TRUE(way);
  EXPECT_EQ(way->conflicts,
            std::vector<std::string>{"/etc/n/everseal/tls.conf: was changed since; left as it is"});
}

TEST_F(ReturnTest, FaultD1_KeepsAFileOfOursThatAnybodyIncludes) {
  files_.put("/etc/n/nginx.conf", "include /etc/n/site;\ninclude /etc/n/copy;\n");
  files_.put("/etc/n/site", "include /etc/n/everseal/acme.conf;\n");
  files_.put("/etc/n/copy", "server {\n    include everseal/acme.conf;\n}\n");
  files_.put("/etc/n/everseal/acme.conf", "ours;\n");
  const auto way = plan({{"/etc/n/everseal/acme.conf", std::nullopt, "ours;\n"},
                         {"/etc/n/site", "", "include /etc/n/everseal/acme.conf;\n"}});
  ASSERT_TRUE(way);
  ASSERT_EQ(way->files.size(), 1u);
  EXPECT_EQ(way->files.front().path, "/etc/n/site");
  ASSERT_EQ(way->kept.size(), 1u);
  EXPECT_EQ(way->kept.front().path, "/etc/n/everseal/acme.conf");
  EXPECT_EQ(way->kept.front().by, "/etc/n/copy:2");
}

TEST_F(ReturnTest, FaultD1_RemovesNothingWhereTheConfigurationCannotBeRead) {
  files_.put("/etc/n/nginx.conf", "include /etc/n/nobody;\n");
  files_.put("/etc/n/everseal/acme.conf", "ours;\n");
  const auto way = plan({{"/etc/n/everseal/acme.conf", std::nullopt, "ours;\n"}});
  ASSERT_TRUE(way);
  EXPECT_TRUE(way->files.empty());
  EXPECT_EQ(way->kept.front().by,
            "perhaps: /etc/n/nginx.conf:1: resolve /etc/n/nobody: No such file or directory");
}

TEST_F(ReturnTest, FaultD2_AllThatWasLeftUnfinishedIsTakenBackTheLastFirst) {
  files_.put("/etc/n/site", "two;\n");
  const auto leave = [&](const std::string& before, const std::string& after) {
    const auto id = catalog_.begin_change(Time(), "secure", {});
    ASSERT_TRUE(
        catalog_.add_changed_files(*id, std::vector<ChangedFile>{{"/etc/n/site", before, after}}));
  };
  leave("", "one;\n");
  leave("one;\n", "two;\n");
  const auto text = recover(*context_);
  ASSERT_TRUE(text) << text.error().message;
  EXPECT_EQ(*text,
            "took back change 2 (secure), which an earlier run left unfinished; "
            "took back change 1 (secure), which an earlier run left unfinished");
  EXPECT_EQ(files_.read("/etc/n/site"), "");
}

TEST_F(ReturnTest, FaultD2_WhatWasEditedInTheSamePlaceIsLeftToUndo) {
  files_.put("/etc/n/site", "theirs\n");
  const auto id = catalog_.begin_change(Time(), "secure", {});
  ASSERT_TRUE(catalog_.add_changed_files(
      *id, std::vector<ChangedFile>{{"/etc/n/site", "before\n", "after\n"}}));
  const auto text = recover(*context_);
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().kind, ErrorKind::rejected);
  EXPECT_TRUE(text.error().message.starts_with(
      "change 1 (secure), which an earlier run left unfinished, cannot be taken back: /etc/n/site: "
      "line 1 was changed on both sides"));
  EXPECT_TRUE(text.error().message.ends_with(
      "`everseal undo` takes back the rest of it and leaves this as it is"));
  EXPECT_EQ(files_.read("/etc/n/site"), "theirs\n");
  EXPECT_TRUE(*catalog_.last_change(store::ChangeState::applying));
}

// nginx.conf in a directory of nginx's own.
class ReachTest : public testing::Test {
 protected:
  ReachTest() {
    runner_.answer = {0,
                      "nginx version: nginx/1.22.1\nconfigure arguments: --prefix=/n "
                      "--conf-path=/etc/nginx/nginx.conf --pid-path=/run/nginx.pid\n"};
    files_.put("/etc/nginx/nginx.conf", "include /srv/site; ssl_dhparam /etc/ssl/dh.pem;\n");
    files_.put("/etc/ssl/dh.pem", "");
    files_.put("/srv/site", "root /etc;\n");
    files_.put("/etc/nginx/sites-available/off", "");
    files_.put("/etc/cron.d/job", "");
    files_.put("/etc/mail/dh.pem", "");
    EXPECT_TRUE(files_.make_symlink("/etc/cron.d", "/etc/nginx/elsewhere"));
    EXPECT_TRUE(files_.make_symlink("/etc/cron.d/job", "/etc/nginx/link"));
    instance_.emplace(*nginx::Instance::find(runner_, files_, {}));
    context_.emplace(Context{files_,
                             catalog_,
                             *instance_,
                             base::real_clock(),
                             "/etc/nginx/everseal",
                             "/stage",
                             {"/etc/mail/dh.pem"}});
  }

  base::FakeFileSystem files_;
  base::FakeCommandRunner runner_;
  store::Catalog catalog_ = *store::Catalog::open(":memory:");
  std::optional<nginx::Instance> instance_;
  std::optional<Context> context_;
};

TEST_F(ReachTest, IsTheFilesOfNginx) {
  const Reach reach(*context_);
  for (const char* path :
       {"/etc/nginx/nginx.conf", "/srv/site", "/etc/ssl/dh.pem", "/etc/mail/dh.pem",
        "/etc/nginx/everseal/acme.conf", "/etc/nginx/sites-available/off",
        "/etc/nginx/sites-available/gone", "/etc/nginx/no/such/directory"})
    EXPECT_TRUE(reach.check(path)) << path;
  for (const char* path :
       {"", "/", "nginx.conf", "/etc/cron.d/evil", "/etc/cron.d/job", "/srv/other",
        "/etc/nginx/../cron.d/evil", "/etc/nginx/everseal/..", "/etc/nginx/everseal/",
        "/etc/nginx/./nginx.conf", "/etc/nginx//nginx.conf", "/etc/nginx/elsewhere/evil",
        "/etc/nginx/link", "/etc/nginx", "/etc/nginxx/evil"})
    EXPECT_FALSE(reach.check(path)) << path;
}

TEST_F(ReachTest, WhatIsElsewhereIsNotJudgedByAConfigurationThatCannotBeRead) {
  files_.put("/etc/nginx/nginx.conf", "include /srv/site\n");
  const Reach reach(*context_);
  EXPECT_TRUE(reach.check("/etc/nginx/sites-available/off"));
  EXPECT_EQ(reach.check("/srv/site").error().kind, ErrorKind::invalid);
}

TEST_F(ReachTest, WhatIsNotNginxsIsNamedAndLeftAndTheRestIsTakenBack) {
  files_.put("/srv/site", "two;\n");
  const auto id = catalog_.begin_change(Time(), "harmless", {});
  ASSERT_TRUE(catalog_.add_changed_files(
      *id, std::vector<ChangedFile>{{"/srv/site", "one;\n", "two;\n"},
                                    {"/etc/cron.d/evil", "* * * * * root id\n", std::nullopt}}));
  files_.put("/etc/cron.d/.evil.everseal", "");
  const auto text = recover(*context_);
  ASSERT_TRUE(text) << text.error().message;
  EXPECT_EQ(
      *text,
      "took back change 1 (harmless), which an earlier run left unfinished; /etc/cron.d/evil is "
      "no file of nginx's configuration and is left as it is");
  EXPECT_EQ(files_.read("/srv/site"), "one;\n");
  EXPECT_FALSE(base::exists(files_, "/etc/cron.d/evil"));
  EXPECT_TRUE(base::exists(files_, "/etc/cron.d/.evil.everseal"));
}

}  // namespace
}  // namespace everseal::deploy
