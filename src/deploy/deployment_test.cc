#include "deploy/deployment.h"

#include <gtest/gtest.h>

#include "base/fake_file_system.h"

namespace everseal::deploy {
namespace {

store::ChangeRecord change(std::vector<ChangedFile> files) {
  store::ChangeRecord record;
  record.files = std::move(files);
  return record;
}

TEST(PlanUndo, GivesTheOriginalsBack) {
  base::FakeFileSystem files;
  files.put("/n/site", "server {\n    listen 443 ssl;\n}\n");
  files.put("/n/everseal/acme.conf", "ours\n");
  const auto plan =
      plan_undo(files, change({{"/n/site", "server {\n}\n", "server {\n    listen 443 ssl;\n}\n"},
                               {"/n/everseal/acme.conf", std::nullopt, "ours\n"}}));
  ASSERT_TRUE(plan);
  ASSERT_EQ(plan->size(), 2u);
  EXPECT_EQ((*plan)[0].after, "server {\n}\n");
  EXPECT_EQ((*plan)[1].after, std::nullopt);
}

TEST(PlanUndo, LeavesOutWhatIsAlreadyBack) {
  base::FakeFileSystem files;
  files.put("/n/site", "before\n");
  const auto plan = plan_undo(
      files, change({{"/n/site", "before\n", "after\n"}, {"/n/gone", std::nullopt, "ours\n"}}));
  ASSERT_TRUE(plan);
  EXPECT_TRUE(plan->empty());
}

TEST(PlanUndo, KeepsWhatTheAdministratorEditedElsewhere) {
  base::FakeFileSystem files;
  files.put("/n/site", "# mine\nserver {\n    listen 443 ssl;\n    root /srv;\n    index a;\n}\n");
  const auto plan =
      plan_undo(files, change({{"/n/site", "server {\n    root /srv;\n}\n",
                                "server {\n    listen 443 ssl;\n    root /srv;\n}\n"}}));
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_EQ(plan->front().after, "# mine\nserver {\n    root /srv;\n    index a;\n}\n");
}

TEST(PlanUndo, RefusesWhereTheAdministratorEditedTheSameLines) {
  base::FakeFileSystem files;
  files.put("/n/site", "server {\n    listen 8443 ssl;\n}\n");
  const auto plan = plan_undo(
      files, change({{"/n/site", "server {\n}\n", "server {\n    listen 443 ssl;\n}\n"}}));
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().kind, ErrorKind::rejected);
  EXPECT_EQ(plan.error().message,
            "/n/site: line 2 was changed on both sides\n  it was\n        listen 443 ssl;\n"
            "  it is now\n        listen 8443 ssl;\n  and should become\n    (nothing)\n");
}

TEST(PlanUndo, RefusesToRemoveAFileOfOursThatWasEdited) {
  base::FakeFileSystem files;
  files.put("/n/everseal/tls.conf", "edited\n");
  const auto plan = plan_undo(files, change({{"/n/everseal/tls.conf", std::nullopt, "ours\n"}}));
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().message, "/n/everseal/tls.conf: was changed since; left as it is");
}

}  // namespace
}  // namespace everseal::deploy
