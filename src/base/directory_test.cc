#include "base/directory.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/path_walk.h"

namespace everseal::base {
namespace {

using testing::ElementsAre;
namespace fs = std::filesystem;

std::string message_of(const auto& result) { return result ? "done" : result.error().message; }

// A directory that is somebody's.
class Held : public testing::Test {
 protected:
  static fs::path make_root() {
    std::string pattern = fs::temp_directory_path() / "held.XXXXXX";
    return fs::canonical(::mkdtemp(pattern.data()));
  }
  ~Held() override { fs::remove_all(root_); }

  std::string path(const std::string& name) const { return root_ / name; }
  std::string read(const std::string& name) const {
    std::string text;
    std::getline(std::ifstream(root_ / name), text, '\0');
    return text;
  }
  static Result<> write(const FileDescriptor& file) { return write_all(file, "new", "write"); }

  const fs::path root_ = make_root();
  const Directory directory_ = *Directory::open(root_);
};

TEST_F(Held, WritesDurablyWithExactRights) {
  const mode_t before = ::umask(0077);
  EXPECT_EQ(message_of(directory_.write_durably("a", write, {.mode = 0644})), "done");
  ::umask(before);
  EXPECT_EQ(read("a"), "new");
  EXPECT_EQ(fs::status(path("a")).permissions(), fs::perms(0644));
  EXPECT_THAT(*directory_.list(9), ElementsAre("a"));
}

TEST_F(Held, DraftWithoutAPlaceIsRemoved) {
  std::ofstream(path("a")) << "old";
  {
    const auto draft = directory_.draft("a", write, {});
  }
  EXPECT_EQ(read("a"), "old");
  EXPECT_THAT(*directory_.list(9), ElementsAre("a"));
}

TEST_F(Held, FaultS2_RemovesNoTreeInTheWayOfADraft) {
  fs::create_directories(path(".a.everseal/below"));
  EXPECT_EQ(message_of(directory_.draft("a", write, {})),
            "remove " + path(".a.everseal") + ": a directory is in its place; remove it");
  EXPECT_TRUE(fs::exists(path(".a.everseal/below")));
}

TEST_F(Held, FaultS2_SymlinkInTheWayOfADraftGoesItsTargetStays) {
  std::ofstream(path("target")) << "kept";
  fs::create_symlink("target", path(".a.everseal"));
  EXPECT_EQ(message_of(directory_.write_durably("a", write, {})), "done");
  EXPECT_EQ(read("target"), "kept");
  EXPECT_EQ(read("a"), "new");
}

TEST_F(Held, CreatesOnlyWhatIsNotThere) {
  ASSERT_TRUE(directory_.create_directory("new", 0700));
  EXPECT_FALSE(directory_.create_directory("new", 0700)) << "there by now";
  fs::create_symlink("new", path("link"));
  EXPECT_FALSE(directory_.create_directory("link", 0700));
  EXPECT_TRUE(directory_.create_symlink("other", "../x"));
  EXPECT_EQ(fs::read_symlink(path("other")), "../x");
  EXPECT_FALSE(directory_.create_symlink("other", "../y"));
  EXPECT_FALSE(directory_.create_symlink("new/other", "x")) << "one name alone";
}

TEST_F(Held, StaysWhereItIsWhenItsPathLeadsElsewhere) {
  fs::create_directory(path("place"));
  fs::create_directory(path("elsewhere"));
  const Directory place = *Directory::open(path("place"));
  fs::rename(path("place"), path("moved"));
  fs::create_symlink("elsewhere", path("place"));
  EXPECT_EQ(message_of(place.write_durably("a", write, {})), "done");
  EXPECT_EQ(read("moved/a"), "new");
  EXPECT_TRUE(fs::is_empty(path("elsewhere")));
}

TEST_F(Held, FollowsNoSymlinkBelow) {
  fs::create_directory(path("elsewhere"));
  fs::create_symlink("elsewhere", path("link"));
  const std::string refused = path("link") + ": a symlink is in its place, which is not followed";
  EXPECT_EQ(message_of(directory_.open_directory("link")), "open the directory " + refused);
  EXPECT_EQ(message_of(directory_.make_directory("link", 0755)), "open the directory " + refused);
  std::ofstream(path("file")) << "x";
  fs::create_symlink("file", path("to_file"));
  EXPECT_EQ(message_of(directory_.open_file("to_file")),
            "open " + path("to_file") + ": a symlink is in its place, which is not followed");
}

TEST_F(Held, MakesADirectoryOnceWithExactlyItsMode) {
  const mode_t before = ::umask(0077);
  EXPECT_TRUE(directory_.make_directory("d", 0755)->is_new);
  ::umask(before);
  EXPECT_EQ(fs::status(path("d")).permissions(), fs::perms(0755));
  ASSERT_EQ(::chmod(path("d").c_str(), 0700), 0);
  EXPECT_FALSE(directory_.make_directory("d", 0755)->is_new);
  EXPECT_EQ(fs::status(path("d")).permissions(), fs::perms(0700));
}

TEST_F(Held, FaultS2_OpensNoPipe) {
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  EXPECT_EQ(message_of(directory_.open_file("pipe")),
            "open " + path("pipe") + ": not a regular file");
  EXPECT_EQ(message_of(real_file_system().sync(path("pipe"))),
            "fsync " + path("pipe") + ": neither a file nor a directory");
}

TEST_F(Held, FaultS2_OpensNoHugeFile) {
  std::ofstream(path("sparse")) << "x";
  fs::resize_file(path("sparse"), std::uintmax_t{1} << 40);
  EXPECT_EQ(message_of(directory_.open_file("sparse")),
            "open " + path("sparse") + ": larger than 67108864 bytes");
}

TEST_F(Held, TakesOneNameOnly) {
  for (const char* name : {"", ".", "..", "a/b", "/etc"})
    EXPECT_EQ(message_of(directory_.remove_file(name)),
              "'" + std::string(name) + "' is not the name of a file in " + root_.string());
}

TEST_F(Held, ReplacesWithTheOldRights) {
  std::ofstream(path("a")) << "old";
  ASSERT_EQ(::chmod(path("a").c_str(), 0640), 0);
  EXPECT_EQ(message_of(directory_.replace("a", "new")), "done");
  EXPECT_EQ(read("a"), "new");
  EXPECT_EQ(fs::status(path("a")).permissions(), fs::perms(0640));
}

TEST_F(Held, RemovesATreeAndFollowsNoSymlinkOutOfIt) {
  fs::create_directories(path("tree/a/b"));
  fs::create_directory(path("kept"));
  std::ofstream(path("kept/file")) << "x";
  fs::create_symlink("../../kept", path("tree/a/link"));
  EXPECT_EQ(message_of(remove_held_tree(path("tree"))), "done");
  EXPECT_FALSE(fs::exists(path("tree")));
  EXPECT_TRUE(fs::exists(path("kept/file")));
  EXPECT_EQ(message_of(remove_held_tree(path("none/at/all"))), "done");
}

class Walked : public Held {};

TEST_F(Walked, FollowsSymlinksOfItsOwn) {
  fs::create_directory(path("real"));
  fs::create_symlink("real", path("link"));
  EXPECT_EQ(walk(path("link"))->path, path("real"));
  EXPECT_EQ(walk(path("link/../link/."))->path, path("real"));
  EXPECT_FALSE(walk(path("link"))->weakness);
  EXPECT_EQ(walk(path("none")).error().kind, ErrorKind::not_found);
  fs::create_symlink("loop", path("loop"));
  EXPECT_EQ(message_of(walk(path("loop"))),
            "open " + path("loop") + ": Too many levels of symbolic links");
}

TEST_F(Walked, NamesWhatOthersMayWrite) {
  fs::create_directories(path("shared/below"));
  ASSERT_EQ(::chmod(path("shared").c_str(), 0775), 0);
  const auto weakness = walk(path("shared/below"))->weakness;
  ASSERT_TRUE(weakness);
  EXPECT_EQ(describe(*weakness), path("shared") + " can be changed by other users than " +
                                     user_name(::geteuid()) + "; mend it with: chmod go-w " +
                                     path("shared"));
  ASSERT_EQ(::chmod(path("shared").c_str(), 01777), 0);  // sticky
  EXPECT_FALSE(walk(path("shared/below"))->weakness);
}

TEST_F(Walked, FaultS1_FollowsAnothersSymlinkOnlyToWhatIsTheirs) {
  if (::geteuid() != 0) GTEST_SKIP() << "files are given to another user";
  constexpr uid_t kBob = 4711;
  for (const char* name : {"bob", "bob/site", "roots"}) fs::create_directory(path(name));
  for (const char* name : {"bob", "bob/site"}) ASSERT_EQ(::chown(path(name).c_str(), kBob, 0), 0);
  fs::create_symlink("site", path("bob/good"));
  fs::create_symlink("../roots", path("bob/bad"));
  for (const char* name : {"bob/good", "bob/bad"})
    ASSERT_EQ(::lchown(path(name).c_str(), kBob, 0), 0);
  EXPECT_EQ(Directory::open(path("bob/good"))->path(), path("bob/site"));
  EXPECT_EQ(message_of(Directory::open(path("bob/bad"))),
            path("bob/bad") + " is a symlink that other users can change, and leads to " +
                path("roots") + ", which belongs to user root: give that path itself");
  EXPECT_EQ(describe(*walk(path("bob/site"))->weakness),
            path("bob") +
                " can be changed by other users than root: it belongs to 4711; mend it with: chown "
                "root " +
                path("bob"));
}

}  // namespace
}  // namespace everseal::base
