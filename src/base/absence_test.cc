#include "base/absence.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

namespace everseal::base {
namespace {

class Absence : public testing::Test {
 protected:
  Absence()
      : root_(std::filesystem::temp_directory_path() /
              ("everseal-absence-" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(root_ / "directory");
    static_cast<void>(files_.create(path("file"), "", 0600));
    std::filesystem::create_symlink("/not/mounted", root_ / "away");
    std::filesystem::create_symlink("directory", root_ / "link");
    std::filesystem::create_symlink("loop", root_ / "loop");
  }
  ~Absence() override { std::filesystem::remove_all(root_); }
  std::string path(const std::string& name) const { return root_ / name; }

  FileSystem& files_ = real_file_system();

 private:
  std::filesystem::path root_;
};

TEST_F(Absence, IsOfWhatHasNoNameInADirectory) {
  for (const char* name : {"none", "none/", "none/none", "directory/none", "link/none"}) {
    EXPECT_TRUE(is_absent(files_, path(name))) << name;
    EXPECT_EQ(list_if_there(files_, path(name)), std::vector<std::string>()) << name;
  }
}

TEST_F(Absence, IsNotOfWhatIsHidden) {
  for (const char* name : {"file", "file/", "file/none", "file/none/none", "away", "away/",
                           "away/none", "away/none/none", "loop", "loop/none"}) {
    EXPECT_FALSE(is_absent(files_, path(name))) << name;
    EXPECT_NE(list_if_there(files_, path(name)).error().kind, ErrorKind::not_found) << name;
  }
}

TEST_F(Absence, IsNotOfWhatIsThere) {
  for (const char* name : {"directory", "link", "link/"}) {
    EXPECT_FALSE(is_absent(files_, path(name))) << name;
    EXPECT_EQ(list_if_there(files_, path(name)), std::vector<std::string>()) << name;
  }
}

}  // namespace
}  // namespace everseal::base
