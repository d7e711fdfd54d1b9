#include "store/salvage.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "store/catalog.h"

namespace everseal::store {
namespace {

const Time kNow(base::Seconds(1'800'000'000));

class SalvageTest : public testing::Test {
 protected:
  SalvageTest()
      : path_(std::filesystem::temp_directory_path() /
              fmt::format("everseal-salvage-{}", getpid())),
        new_(*Catalog::open(":memory:")) {
    forget();
    auto old = *Catalog::open(path_);
    std::vector<CertificateRecord> records;
    for (int i = 0; i < kCertificates; ++i) {
      CertificateRecord& record = records.emplace_back();
      record.name = fmt::format("n{}.example", i);
      record.names = {record.name};
      record.server = "https://ca.example/directory";
      record.key_type = "ecdsa-p256";
    }
    EXPECT_TRUE(old.save_certificates(records));
    EXPECT_TRUE(old.save_account({"https://ca.example/directory", "u", {}, {}, "print"}));
    EXPECT_TRUE(old.save_limits({{"bucket", 4'000'000'000'000}}, kNow));
  }
  ~SalvageTest() override { forget(); }

  void forget() {
    for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(path_ + suffix);
  }

  void change(const char* sql) {
    auto database = *base::Database::open(path_);
    const auto done = database.execute(sql);
    ASSERT_TRUE(done) << done.error().message;
  }

  // Makes nonsense of a page; its log, which has the page too, is gone.
  void damage(std::int64_t page) {
    for (const char* suffix : {"-wal", "-shm"}) std::filesystem::remove(path_ + suffix);
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp((page - 1) * 4096);
    file << std::string(4096, '\xFF');
  }

  std::int64_t root_page(const char* table) {
    auto database = *base::Database::open(path_);
    auto rows = *database.prepare("SELECT rootpage FROM sqlite_schema WHERE name = ?");
    rows.bind(1, std::string_view(table));
    EXPECT_TRUE(*rows.step());
    return rows.integer(0);
  }

  // One in the middle of the pages that have a table's rows (https://sqlite.org/fileformat.html).
  std::int64_t leaf_page(const char* table) {
    const std::int64_t root = root_page(table);
    std::string page(4096, '\0');
    std::ifstream(path_, std::ios::binary).seekg((root - 1) * 4096).read(page.data(), 4096);
    EXPECT_EQ(page[0], 5) << "no page of pointers to others";
    const auto number = [&](std::size_t at, std::size_t bytes) {
      std::size_t value = 0;
      for (const char c : page.substr(at, bytes))
        value = value << 8 | static_cast<unsigned char>(c);
      return value;
    };
    const std::size_t children = number(3, 2);
    return static_cast<std::int64_t>(number(number(12 + 2 * (children / 2), 2), 4));
  }

  static std::string trouble_of(std::string_view table, const std::vector<Salvaged>& taken) {
    const auto found = std::ranges::find(taken, table, &Salvaged::table);
    return found == taken.end() ? "not even tried" : found->trouble;
  }

  static constexpr int kCertificates = 500;
  const std::string path_;
  Catalog new_;
};

TEST_F(SalvageTest, TakesOverAllOfAWholeCatalog) {
  const auto taken = new_.take_over(path_);
  ASSERT_TRUE(taken) << taken.error().message;
  for (const Salvaged& each : *taken) EXPECT_EQ(each.trouble, "") << each.table;
  EXPECT_EQ(new_.certificates()->size(), std::size_t{kCertificates});
  EXPECT_EQ((*new_.account("https://ca.example/directory"))->thumbprint, "print");
  EXPECT_EQ(new_.limits()->size(), 1u);
}

TEST_F(SalvageTest, TakesOverWhatIsNotDamaged) {
  damage(root_page("limits"));
  const auto taken = new_.take_over(path_);
  ASSERT_TRUE(taken) << taken.error().message;
  EXPECT_TRUE(trouble_of("limits", *taken).contains("malformed"));
  for (const Salvaged& each : *taken) EXPECT_EQ(each.trouble.empty(), each.table != "limits");
  EXPECT_EQ(new_.certificates()->size(), std::size_t{kCertificates});
}

// The rows of a table are in some pages; one of them is damaged.
TEST_F(SalvageTest, TakesOverTheRowsOnBothSidesOfTheDamage) {
  damage(leaf_page("certificates"));
  const auto taken = new_.take_over(path_);
  ASSERT_TRUE(taken) << taken.error().message;
  EXPECT_TRUE(trouble_of("certificates", *taken).contains("malformed"));
  const std::size_t left = new_.certificates()->size();
  EXPECT_GT(left, kCertificates - 100u);
  EXPECT_LT(left, std::size_t{kCertificates});
  EXPECT_TRUE(new_.certificate("n0.example")->has_value());
  EXPECT_TRUE(new_.certificate(fmt::format("n{}.example", kCertificates - 1))->has_value());
}

TEST_F(SalvageTest, LeavesOutWhatMeansNothing) {
  change(
      "UPDATE certificates SET method = 'nginy' WHERE id = 1;"
      "UPDATE certificates SET names = 'x' WHERE id = 2;"
      "UPDATE accounts SET server = 'ftp'");
  ASSERT_TRUE(new_.take_over(path_));
  EXPECT_EQ(new_.certificates()->size(), kCertificates - 2u);
  EXPECT_TRUE(new_.accounts()->empty());
}

TEST_F(SalvageTest, LeavesOutEventsThatNobodyUnderstands) {
  ASSERT_TRUE(Catalog::open(path_)->add_events({{{kNow, "n0.example", EventKind::failed, "one"},
                                                 {kNow, "n0.example", EventKind::issued, "two"}}}));
  change("UPDATE events SET kind = 'faild' WHERE text = 'one'");
  ASSERT_TRUE(new_.take_over(path_));
  const auto events = new_.events("n0.example", 10);
  ASSERT_TRUE(events) << events.error().message;
  ASSERT_EQ(events->size(), 1u);
  EXPECT_EQ(events->front().text, "two");
}

TEST_F(SalvageTest, MatchesColumnsByName) {
  change(
      "DROP TABLE served; ALTER TABLE certificates ADD COLUMN unheard_of TEXT;"
      "ALTER TABLE certificates DROP COLUMN key_since; PRAGMA user_version = 5");
  const auto taken = new_.take_over(path_);
  ASSERT_TRUE(taken) << taken.error().message;
  EXPECT_EQ(trouble_of("served", *taken), "it is not there");
  EXPECT_EQ(trouble_of("certificates", *taken), "");
  EXPECT_EQ(new_.certificates()->size(), std::size_t{kCertificates});
  EXPECT_EQ(new_.certificates()->front().key_type, "ecdsa-p256");
}

TEST_F(SalvageTest, SaysThatNothingCanBeRead) {
  forget();
  std::ofstream(path_) << std::string(8192, 'x');
  const auto taken = new_.take_over(path_);
  ASSERT_TRUE(taken) << taken.error().message;
  EXPECT_FALSE(taken->empty());
  for (const Salvaged& each : *taken) {
    EXPECT_EQ(each.rows, 0);
    EXPECT_TRUE(each.trouble.contains("file is not a database")) << each.trouble;
  }
}

TEST_F(SalvageTest, RunsNothingThatSomebodyPutThere) {
  change(
      "ALTER TABLE certificates RENAME TO kept; CREATE VIEW certificates AS SELECT k.* FROM kept "
      "AS "
      "k, (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n);"
      "CREATE TRIGGER t AFTER INSERT ON accounts BEGIN SELECT raise(FAIL, 'no'); END");
  ASSERT_TRUE(new_.take_over(path_));
  EXPECT_TRUE(new_.certificates()->empty());
  EXPECT_EQ((*new_.account("https://ca.example/directory"))->url, "u");
}

TEST_F(SalvageTest, RefusesWhatANewerEversealWrote) {
  change("PRAGMA user_version = 99");
  const auto taken = new_.take_over(path_);
  ASSERT_FALSE(taken);
  EXPECT_TRUE(taken.error().message.contains("written by a newer everseal (schema 99"));
}

TEST_F(SalvageTest, TakesNoNameThatLeadsElsewhere) {
  change("UPDATE certificates SET name = '../x' WHERE id = 1");
  change("UPDATE certificates SET name = '.x' WHERE id = 2");
  ASSERT_TRUE(new_.take_over(path_));
  EXPECT_EQ(new_.certificates()->size(), std::size_t{kCertificates - 2});
}

}  // namespace
}  // namespace everseal::store
