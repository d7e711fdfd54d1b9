#include "ca/own_files.h"

#include <gtest/gtest.h>

#include "base/fake_file_system.h"

namespace everseal::ca {
namespace {

class OwnFilesTest : public testing::Test {
 protected:
  OwnFilesTest() { static_cast<void>(files_.make_directory("/ca", 0700)); }

  std::string secret(mode_t mode) {
    static_cast<void>(base::write_durably(files_, "/ca/1.key", "key", mode));
    return text(check_secret(files_, "/ca/1.key"));
  }

  std::string unchanged(mode_t mode) {
    static_cast<void>(base::write_durably(files_, "/ca/db", "rows", mode));
    return text(check_unchanged(files_, "/ca/db"));
  }

  static std::string text(const Result<>& result) { return result ? "" : result.error().message; }

  base::FakeFileSystem files_;
};

TEST_F(OwnFilesTest, KeysAreTheOwnersAlone) {
  EXPECT_EQ(secret(0600), "");
  EXPECT_EQ(secret(0400), "");
  EXPECT_EQ(secret(0640),
            "/ca/1.key can be read by others (mode 0640), who may have the CA's key: if nobody "
            "took it, chmod 600 /ca/1.key; else begin a new CA");
  EXPECT_EQ(secret(0666),
            "/ca/1.key can be written by others (mode 0666), who may have the CA's key: if nobody "
            "took it, chmod 600 /ca/1.key; else begin a new CA");
  EXPECT_EQ(check_secret(files_, "/ca/2.key").error().kind, ErrorKind::not_found);
}

TEST_F(OwnFilesTest, OthersMayLookAtTheRest) {
  EXPECT_EQ(unchanged(0644), "");
  EXPECT_EQ(unchanged(0620),
            "/ca/db can be changed by others (mode 0620), and with it the CA: if nobody did, chmod "
            "go-w /ca/db");
}

}  // namespace
}  // namespace everseal::ca
