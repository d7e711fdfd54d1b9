#include "deploy/error_log.h"

#include <gmock/gmock.h>

namespace everseal::deploy {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(ErrorLog, HearsTheMasterComplain) {
  EXPECT_THAT(
      complaints_of("2026/11/21 11:00:00 [emerg] 7#7: bind() to 127.0.0.4:443 failed (98: Address "
                    "already in use)\n"
                    "2026/11/21 11:00:00 [notice] 7#7: try again to bind() after 500ms\n"
                    "2026/11/21 11:00:01 [emerg] 7#7: bind() to 127.0.0.4:443 failed (98: Address "
                    "already in use)\n"
                    "2026/11/21 11:00:02 [emerg] 7#7: still could not bind()\n",
                    7),
      ElementsAre("bind() to 127.0.0.4:443 failed (98: Address already in use)",
                  "still could not bind()"));
}

TEST(ErrorLog, HearsNobodyElse) {
  EXPECT_THAT(complaints_of("2026/11/21 11:00:00 [emerg] 8#8: unknown directive \"x\"\n"
                            "2026/11/21 11:00:00 [error] 7#7: *1 open() failed: [emerg] 7#7: x\n"
                            "[emerg] 7#7: x\n\n",
                            7),
              IsEmpty());
}

TEST(ErrorLog, KnowsWhatIsFinal) {
  EXPECT_TRUE(is_final("still could not bind()"));
  EXPECT_TRUE(is_final("cannot load certificate key \"/k\": PEM_read_bio_PrivateKey() failed"));
  EXPECT_TRUE(is_final("worker process 12 exited with fatal code 2 and cannot be respawned"));
  EXPECT_FALSE(is_final("bind() to 0.0.0.0:443 failed (98: Address already in use)"));
  EXPECT_FALSE(is_final("worker process 12 exited on signal 9"));
}

TEST(ErrorLog, SaysNothingWithoutAFile) { EXPECT_THAT(ErrorLog("", 1).complaints(), IsEmpty()); }

TEST(ErrorLog, FaultX9_TellsADeathFromADeparture) {
  const std::vector<std::string> complaints = complaints_of(
      "2026/11/28 13:00:00 [alert] 7#7: worker process 123 exited on signal 9\n"
      "2026/11/28 13:00:00 [alert] 7#7: worker process 45 exited with fatal code 2 and cannot be "
      "respawned\n"
      "2026/11/28 13:00:00 [notice] 7#7: worker process 6 exited with code 0\n",
      7);
  EXPECT_TRUE(tells_death_of(complaints, 123));
  EXPECT_TRUE(tells_death_of(complaints, 45));
  EXPECT_FALSE(tells_death_of(complaints, 12));
  EXPECT_FALSE(tells_death_of(complaints, 6));
}

}  // namespace
}  // namespace everseal::deploy
