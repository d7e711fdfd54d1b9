#include "jobs/rights.h"

#include <gmock/gmock.h>

#include "base/fake_file_system.h"

namespace everseal::jobs {
namespace {

using testing::ElementsAre;
using testing::Pair;

TEST(RightsToEdit, ReplacesFilesInTheirDirectoriesAndOnlyReadsTheRest) {
  base::FakeFileSystem files;
  files.put("/etc/nginx/nginx.conf",
            "include /usr/share/modules/*.conf;\n"
            "http { include sites/*; include /srv/web/*.conf; include /srv/types; }\n");
  files.put("/etc/nginx/sites/.keep", "");  // an empty directory of sites
  files.put("/srv/web/a.conf", "server { listen 80; }\n");
  files.put("/srv/types", "types { }\n");
  files.put("/usr/share/modules/m.conf", "load_module m.so;\n");
  const auto config = nginx::Config::load(files, "/etc/nginx/nginx.conf");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_THAT(rights_to_edit(files, *config),
              ElementsAre(Pair("/", 1), Pair("/etc", 1), Pair("/etc/nginx", 7),
                          Pair("/etc/nginx/nginx.conf", 4), Pair("/etc/nginx/sites", 7),
                          Pair("/srv", 5), Pair("/srv/types", 4), Pair("/srv/web", 7),
                          Pair("/srv/web/a.conf", 4), Pair("/usr", 1), Pair("/usr/share", 1),
                          Pair("/usr/share/modules", 5), Pair("/usr/share/modules/m.conf", 4)));
}

}  // namespace
}  // namespace everseal::jobs
