#include "store/account_keys.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <map>
#include <set>

#include "base/fake_file_system.h"

namespace everseal::store {
namespace {

constexpr const char* kServer = "https://ca.example/dir";
const std::string kDirectory = "/state/accounts/ca.example_dir/";
const Time kNow = *base::parse_rfc3339("2026-11-21T20:00:00Z");

base::ContentWriter writes(const std::string& text) {
  return [text](const base::FileDescriptor& file) { return base::write_all(file, text, "write"); };
}

// A key in use and a next one.
void prepare(base::FakeFileSystem& files) {
  AccountKeys keys(files, "/state");
  ASSERT_TRUE(keys.create(kServer, writes("old")));
  ASSERT_TRUE(keys.create_next(kServer, writes("new")));
}

TEST(AccountKeys, AdoptTheNextKeyAndKeepTheOldOne) {
  base::FakeFileSystem files;
  prepare(files);
  ASSERT_TRUE(AccountKeys(files, "/state").adopt_next(kServer, kNow));
  EXPECT_EQ(files.all(), (std::map<std::string, std::string>{
                             {kDirectory + "key.pem", "new"},
                             {kDirectory + "key.until-2026-11-21T20:00:00Z.pem", "old"}}));
}

TEST(AccountKeys, KeepWhatTheCaDidNotTakeForTheNextTime) {
  base::FakeFileSystem files;
  prepare(files);
  AccountKeys keys(files, "/state");
  EXPECT_EQ(keys.take_spare(kServer), false);
  ASSERT_TRUE(keys.shelve_next(kServer));
  EXPECT_EQ(keys.open_next(kServer).error().kind, ErrorKind::not_found);
  EXPECT_EQ(keys.take_spare(kServer), true);
  EXPECT_EQ(files.read(kDirectory + "key.next.pem"), "new");
  EXPECT_EQ(files.read(kDirectory + "key.pem"), "old");
}

// Whatever fails, and a power cut after it: the CA may know either key, and both are there.
TEST(AccountKeys, LoseNoKeyAtAnyMoment) {
  for (int n = 1;; ++n) {
    base::FakeFileSystem files;
    prepare(files);
    const int before = static_cast<int>(files.journal().size());
    files.fail_from(before + n, ENOSPC);
    const bool adopted = AccountKeys(files, "/state").adopt_next(kServer, kNow).has_value();
    files.heal();
    files.cut_power();
    std::set<std::string> found;
    for (const auto& [path, text] : files.all())
      if (path.ends_with(".pem")) found.insert(text);
    EXPECT_EQ(found, (std::set<std::string>{"new", "old"})) << n;
    const bool unfinished = base::exists(files, kDirectory + "key.next.pem");
    EXPECT_EQ(files.read(kDirectory + "key.pem"), unfinished ? "old" : "new") << n;
    if (adopted) break;
  }
}

TEST(AccountKeys, FaultD7_KeepADamagedOneAside) {
  base::FakeFileSystem files;
  files.put(kDirectory + "key.pem", "damaged");
  AccountKeys keys(files, "/state");
  const auto aside = keys.set_aside(kServer, kNow);
  ASSERT_TRUE(aside) << aside.error().message;
  EXPECT_EQ(files.read(*aside), "damaged");
  EXPECT_TRUE(aside->starts_with(kDirectory + "key.damaged-2"));
  EXPECT_EQ(keys.open(kServer).error().kind, ErrorKind::not_found);
}

}  // namespace
}  // namespace everseal::store
