#include "jobs/layout.h"

#include <gtest/gtest.h>

namespace everseal::jobs {
namespace {

TEST(Layout, TellsWhatIsEverseals) {
  for (const char* name :
       {"lock", "catalog.db", "catalog.db-wal", "catalog.db-shm", "catalog.new.db",
        "catalog.draft.db-wal", "accounts", "certs", "live", "stage", "memory.json",
        ".memory.json.everseal", "damaged-2026-11-28T13:00:00Z"})
    EXPECT_TRUE(belongs_in_state(name)) << name;
  for (const char* name : {"", "precious", "catalog.db.bak", "locks", ".profile", "dpkg", "live2"})
    EXPECT_FALSE(belongs_in_state(name)) << name;
}

}  // namespace
}  // namespace everseal::jobs
