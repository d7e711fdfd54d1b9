#include "jobs/setup_plan.h"

#include <gmock/gmock.h>

namespace everseal::jobs {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::vector<std::vector<std::string>> kCommands = {
    {"/usr/sbin/nginx", "-t", "-c", "/etc/nginx/nginx.conf"},
    {"/usr/sbin/nginx", "-s", "reload", "-c", "/etc/nginx/nginx.conf"}};

constexpr const char* kSudoers =
    "# Lets acme test nginx's configuration and reload it. Made by `everseal setup --user acme`.\n"
    "acme ALL=(root) NOPASSWD: /usr/sbin/nginx -t -c /etc/nginx/nginx.conf\n"
    "acme ALL=(root) NOPASSWD: /usr/sbin/nginx -s reload -c /etc/nginx/nginx.conf\n";

SetupFacts facts() {
  SetupFacts found;
  found.user = {"acme", {999, 995}};
  found.state = "/var/lib/everseal";
  found.commands = kCommands;
  return found;
}

TEST(Sudoers, AllowsTheCommandsAndNothingElse) {
  EXPECT_EQ(sudoers_text("acme", kCommands).value(), kSudoers);
  EXPECT_EQ(sudoers_path("acme").value(), "/etc/sudoers.d/everseal-acme");
}

TEST(Sudoers, RefusesNamesThatCouldMeanMoreThanOneUser) {
  for (const char* name : {"", "ALL", "ADMINS", "%sudo", "#0", "a.b", "a b", "a,b", "-a", "a\n"})
    EXPECT_THAT(sudoers_text(name, kCommands).error().message, HasSubstr("give a user whose name"))
        << name;
}

TEST(Sudoers, RefusesWordsThatSudoersReadsOtherwise) {
  for (const char* path : {"/etc/nginx/*", "/etc/a b", "/etc/a,b", "/a\\b", "/a\nb", ""})
    EXPECT_FALSE(sudoers_text("acme", {{{"/usr/sbin/nginx", "-t", "-c", path}}})) << path;
  EXPECT_EQ(sudoers_text("acme", {{{"nginx", "-t"}}}).error().message,
            "'nginx' must be an absolute path: give --nginx-binary /…");
}

TEST(PlanSetup, GrantsWhatIsMissingTogether) {
  SetupFacts found = facts();
  found.needs = {{.path = "/", .rights = 1, .given = 5},
                 {.path = "/etc/nginx", .rights = 7, .given = 5, .inherit = true},
                 {.path = "/etc/nginx/a", .rights = 4, .given = 4},
                 {.path = "/etc/nginx/b", .rights = 4},
                 {.path = "/etc/nginx/c", .rights = 7, .given = 7, .inherit = true},
                 {.path = "/srv", .rights = 1}};
  const auto steps = plan_setup(found).value();
  std::vector<std::string> lines;
  for (const SetupStep& step : steps) lines.push_back(describe(step, found));
  EXPECT_THAT(lines,
              ElementsAre("setfacl -m u:acme:x -- /srv", "setfacl -m u:acme:r -- /etc/nginx/b",
                          "setfacl -m u:acme:rwx,d:u:acme:rwx -- /etc/nginx /etc/nginx/c",
                          HasSubstr("may run exactly `/usr/sbin/nginx -t -c /etc/nginx/nginx.conf` "
                                    "and `/usr/sbin/nginx -s reload"),
                          "/var/lib/everseal belongs to acme alone (0700), with all that is in it"))
      << "FaultX8: until the user can do all of it, root can";
  EXPECT_THAT(
      take_back(found),
      ElementsAre("rm /etc/sudoers.d/everseal-acme", "setfacl -R -x u:acme,d:u:acme -- /etc/nginx",
                  "find /etc/nginx -user acme -exec chown -h root: {} +",
                  "setfacl -x u:acme -- /srv", "chown -hR root: /var/lib/everseal"));
}

TEST(PlanSetup, FindsNothingToDoTheSecondTime) {
  SetupFacts found = facts();
  found.state_is_given = true;
  found.sudoers = kSudoers;
  found.needs = {{.path = "/etc/nginx",
                  .rights = 7,
                  .given = 7,
                  .inherit = true,
                  .given_to_new_files = 7,
                  .is_named = true}};
  EXPECT_TRUE(plan_setup(found).value().empty());
}

}  // namespace
}  // namespace everseal::jobs
