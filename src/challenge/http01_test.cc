#include "challenge/http01.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace everseal::challenge {
namespace {

using testing::HasSubstr;
using testing::StartsWith;
namespace fs = std::filesystem;

const std::string kToken = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA";

class Webroot : public testing::Test {
 protected:
  static fs::path make_root() {
    std::string pattern = fs::temp_directory_path() / "webroot.XXXXXX";
    return ::mkdtemp(pattern.data());
  }
  ~Webroot() override { fs::remove_all(root_); }

  fs::path file() const { return root_ / ".well-known/acme-challenge" / kToken; }
  std::string publish() {
    const auto result = responder_.publish(kToken, kToken + ".thumb");
    return result ? "published" : result.error().message;
  }

  const fs::path root_ = make_root();
  WebrootResponder responder_{root_};
};

TEST_F(Webroot, HoldsTheAnswerAndIsLeftAsItWas) {
  const mode_t before = ::umask(0077);
  EXPECT_EQ(publish(), "published");
  ::umask(before);
  std::string content;
  std::ifstream(file()) >> content;
  EXPECT_EQ(content, kToken + ".thumb");
  EXPECT_EQ(fs::status(file()).permissions(), fs::perms(0644));
  EXPECT_EQ(fs::status(file().parent_path()).permissions(), fs::perms(0755));
  responder_.retract(kToken);
  EXPECT_TRUE(fs::is_empty(root_));
}

TEST_F(Webroot, KeepsDirectoriesOfOthers) {
  fs::create_directories(root_ / ".well-known/acme-challenge");
  EXPECT_EQ(publish(), "published");
  EXPECT_EQ(publish(), "published");  // again, after a crash
  responder_.retract(kToken);
  EXPECT_TRUE(fs::is_empty(root_ / ".well-known/acme-challenge"));
}

TEST_F(Webroot, SweepsWhatAKilledProcessLeft) {
  const fs::path directory = file().parent_path();
  fs::create_directories(directory);
  const std::string others(43, 'b'), longer(43, 'c'), linked(43, 'd');
  std::ofstream(file()) << kToken << ".thumb";
  std::ofstream(directory / others) << others << ".another";
  std::ofstream(directory / longer) << longer << ".thumb\n";
  std::ofstream(directory / "short") << "short.thumb";
  std::ofstream(root_ / "content") << linked << ".thumb";
  fs::create_symlink(root_ / "content", directory / linked);
  responder_.sweep("thumb");
  EXPECT_FALSE(fs::exists(file()));
  for (const std::string& each : {others, longer, std::string("short"), linked})
    EXPECT_TRUE(fs::exists(directory / each)) << each;
  fs::remove_all(root_ / ".well-known");
  responder_.sweep("thumb");
}

TEST_F(Webroot, FaultS1_NoSymlinkIsFollowed) {
  const fs::path elsewhere = root_ / "elsewhere";
  fs::create_directory(elsewhere);
  fs::create_directory_symlink(elsewhere, root_ / ".well-known");
  EXPECT_THAT(publish(),
              HasSubstr("/.well-known: a symlink is in its place, which is not followed"));
  EXPECT_TRUE(fs::is_empty(elsewhere));
}

TEST_F(Webroot, FaultS1_SymlinkInPlaceOfTheFileIsReplaced) {
  fs::create_directories(file().parent_path());
  std::ofstream(root_ / "shadow") << "secret";
  fs::create_symlink(root_ / "shadow", file());
  EXPECT_EQ(publish(), "published");
  EXPECT_EQ(fs::file_size(root_ / "shadow"), 6u);
  EXPECT_FALSE(fs::is_symlink(file()));
}

TEST_F(Webroot, FaultS2_FifoInPlaceOfTheFileIsReplaced) {
  fs::create_directories(file().parent_path());
  ASSERT_EQ(::mkfifo(file().c_str(), 0600), 0);
  EXPECT_EQ(publish(), "published");
  EXPECT_TRUE(fs::is_regular_file(file()));
}

TEST_F(Webroot, FaultA29_HostileTokensCreateNothing) {
  const std::string tokens[] = {
      "../../etc/cron.d/x", "a/b", "", std::string(10000, 'a'), std::string(30, 'a') + "\n",
      std::string(30, '\0')};
  for (const std::string& token : tokens) {
    const auto result = responder_.publish(token, "x");
    ASSERT_FALSE(result);
    EXPECT_THAT(result.error().message, StartsWith("not a token: "));
  }
  EXPECT_TRUE(fs::is_empty(root_));
}

TEST(KeyAuthorization, JoinsTokenAndThumbprint) { EXPECT_EQ(key_authorization("a", "b"), "a.b"); }

}  // namespace
}  // namespace everseal::challenge
