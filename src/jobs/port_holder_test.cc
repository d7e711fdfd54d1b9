#include "jobs/port_holder.h"

#include <gtest/gtest.h>

#include "base/fake_file_system.h"

namespace everseal::jobs {
namespace {

constexpr const char* kHeading =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout "
    "inode\n";

TEST(PortHolder, NamesTheProgramThatListens) {
  base::FakeFileSystem files;
  files.put("/proc/net/tcp",
            std::string(kHeading) +
                "   0: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0 "
                "       0 4711 1 0000000000000000 100 0 0 10 0\n");
  files.put("/proc/12/comm", "apache2\n");
  ASSERT_TRUE(base::make_directories(files, "/proc/12/fd", 0700));
  ASSERT_TRUE(files.make_symlink("socket:[4711]", "/proc/12/fd/3"));
  EXPECT_EQ(port_holder(files, 80), "apache2 (process 12)");
  EXPECT_EQ(port_holder(files, 8080), std::nullopt);
}

TEST(PortHolder, TellsAHolderThatItMayNotSee) {
  base::FakeFileSystem files;
  files.put(
      "/proc/net/tcp6",
      std::string(kHeading) +
          "   0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A "
          "00000000:00000000 00:00000000 00000000     0        0 4712 1 0000000000000000\n");
  EXPECT_EQ(port_holder(files, 80), "another program");
}

TEST(PortHolder, LooksAtListenersOnly) {
  base::FakeFileSystem files;
  files.put("/proc/net/tcp",
            std::string(kHeading) +
                "   0: 0100007F:0050 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0 "
                "       0 4711 1 0000000000000000\n");
  EXPECT_EQ(port_holder(files, 80), std::nullopt);
}

}  // namespace
}  // namespace everseal::jobs
