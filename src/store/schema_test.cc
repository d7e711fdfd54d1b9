#include "store/schema.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "store/catalog.h"
#include "store/newest_schema.h"

namespace everseal::store {
namespace {

// What a program of the time of each schema made: tests/data/catalog/N.sql.
std::string stored_catalog(std::int64_t schema) {
  std::ifstream file(
      fmt::format("{}/tests/data/catalog/{}.sql", std::getenv("EVERSEAL_SOURCE"), schema));
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// All tables with their columns (in any order: every statement names them), and all indexes.
std::set<std::string> shape_of(base::Database& database) {
  std::set<std::string> shape;
  auto rows = *database.prepare(
      "SELECT m.type || ' ' || m.name || ' ' || c.name || ' ' || ifnull(c.type, '') || ' ' || "
      "ifnull(c.\"notnull\", '') || ' ' || ifnull(c.pk, '') FROM sqlite_schema AS m "
      "JOIN pragma_table_info(m.name) AS c WHERE m.type = 'table' "
      "UNION ALL SELECT name || ' ' || replace(ifnull(sql, ''), char(10), '') FROM sqlite_schema "
      "WHERE type = 'index'");
  while (*rows.step()) {
    std::string line;  // without the spaces that only a line break brought
    for (const char c : rows.text(0))
      if (c != ' ' || !line.ends_with(' ')) line += c;
    shape.insert(line);
  }
  return shape;
}

std::int64_t number(base::Database& database, const char* query) {
  auto rows = *database.prepare(query);
  EXPECT_TRUE(*rows.step());
  return rows.integer(0);
}

class SchemaTest : public testing::Test {
 protected:
  SchemaTest()
      : path_(std::filesystem::temp_directory_path() /
              fmt::format("everseal-schema-{}", getpid())) {
    forget();
  }
  ~SchemaTest() override { forget(); }

  void forget() {
    for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(path_ + suffix);
  }

  void make(const std::string& sql) {
    forget();
    auto database = *base::Database::open(path_);
    const auto made = database.execute(("PRAGMA journal_mode=WAL;" + sql).c_str());
    ASSERT_TRUE(made) << made.error().message;
  }

  // Of all files of the database but its shared index, which is no part of it.
  std::string bytes() const {
    std::ostringstream all;
    for (const char* suffix : {"", "-wal"})
      all << std::ifstream(path_ + suffix, std::ios::binary).rdbuf();
    return all.str();
  }

  const std::string path_;
};

TEST_F(SchemaTest, IsTheSameForANewCatalogAndForOneOfEveryOlderSchema) {
  auto fresh = *base::Database::open(":memory:");
  ASSERT_TRUE(migrate(fresh));
  const auto expected = shape_of(fresh);
  EXPECT_GT(expected.size(), 70u);
  for (std::int64_t schema = 1; schema <= schema_version(); ++schema) {
    auto database = *base::Database::open(":memory:");
    const auto made = database.execute(stored_catalog(schema).c_str());
    ASSERT_TRUE(made) << schema << ": " << made.error().message;
    ASSERT_EQ(*find_schema(database), schema) << "tests/data/catalog lacks it";
    const auto migrated = migrate(database);
    ASSERT_TRUE(migrated) << schema << ": " << migrated.error().message;
    EXPECT_EQ(*find_schema(database), schema_version());
    EXPECT_EQ(shape_of(database), expected) << schema;
    EXPECT_TRUE(migrate(database));  // again is nothing
  }
}

// `open` may be any way to open it: what is in it means the same.
void expect_what_was_stored(Result<Catalog> opened, std::int64_t schema) {
  ASSERT_TRUE(opened) << schema << ": " << opened.error().message;
  const auto certificate = **opened->certificate("a.example");
  EXPECT_EQ(certificate.names, (std::vector<std::string>{"a.example", "www.a.example"}));
  EXPECT_EQ(certificate.version, 2);
  EXPECT_EQ(certificate.fingerprint, "f00d");
  EXPECT_TRUE(certificate.in_nginx);
  // What the steps entered; the stored catalogs of later schemas were given none.
  const bool has_covered = schema < 8, has_key_since = schema < 11;
  EXPECT_EQ(certificate.covered, has_covered ? certificate.names : std::vector<std::string>());
  EXPECT_EQ(certificate.key_since, has_key_since ? certificate.not_before : Time());
  EXPECT_EQ((*opened->version(1, VersionState::live))->number, 2);
  EXPECT_EQ(*opened->old_versions(1), std::vector<int>{1});
  EXPECT_EQ((*opened->account("https://ca.example/directory"))->url, "https://ca.example/acct/1");
  EXPECT_EQ(opened->chore("account key", "https://ca.example/directory")->done_at,
            Time(base::Seconds(1'800'000'000)));
  EXPECT_EQ((*opened->last_change(ChangeState::applied))->files.size(), 1u);
  EXPECT_EQ(opened->events("a.example", 1)->size(), 0u);  // they had no kind then
  EXPECT_EQ(opened->incidents()->size(), schema < 7 ? 0u : 1u);
  EXPECT_EQ(opened->limits()->size(), schema < 6 ? 0u : 1u);
  EXPECT_TRUE(opened->served());
  EXPECT_EQ(opened->last(Moment::renewal_run), Time());
}

TEST_F(SchemaTest, KeepsWhatEveryOlderSchemaHolds) {
  for (std::int64_t schema = 1; schema <= schema_version(); ++schema) {
    make(stored_catalog(schema));
    expect_what_was_stored(Catalog::open(path_), schema);
    expect_what_was_stored(Catalog::open_to_read(path_), schema);
  }
}

TEST_F(SchemaTest, IsReadWithoutAChangeByWhoOnlyReads) {
  for (std::int64_t schema = 1; schema <= schema_version(); ++schema) {
    make(stored_catalog(schema));
    const std::string before = bytes();
    expect_what_was_stored(Catalog::open_to_read(path_), schema);
    EXPECT_EQ(bytes(), before) << schema;
  }
}

TEST_F(SchemaTest, IsNotChangedByAReader) {
  make(stored_catalog(schema_version()));
  auto catalog = *Catalog::open_to_read(path_);
  const auto saved = catalog.save_last(Moment::renewal_run, Time(base::Seconds(1)));
  ASSERT_FALSE(saved);
  EXPECT_EQ(saved.error().message, path_ + ": attempt to write a readonly database");
}

TEST_F(SchemaTest, RefusesWhatANewerEversealWrote) {
  make(stored_catalog(schema_version()) + "PRAGMA user_version=99");
  for (const auto open : {Catalog::open, Catalog::open_to_read}) {
    const auto opened = open(path_);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().message,
              fmt::format("open {}: written by a newer everseal (schema 99, this one knows {})",
                          path_, schema_version()));
  }
}

TEST_F(SchemaTest, RefusesASchemaThatThereNeverWas) {
  for (const int schema : {-1, -2147483647, 0}) {
    make(fmt::format("{};PRAGMA user_version={}", stored_catalog(schema_version()), schema));
    for (const auto open : {Catalog::open, Catalog::open_to_read}) {
      const auto opened = open(path_);
      ASSERT_FALSE(opened);
      EXPECT_TRUE(opened.error().message.starts_with(
          fmt::format("open {}: no everseal has written schema {} with ", path_, schema)))
          << opened.error().message;
      EXPECT_TRUE(opened.error().message.ends_with(kRemedy));
    }
    auto database = *base::Database::open(path_);
    EXPECT_EQ(number(database, "PRAGMA user_version"), schema);
  }
}

// Two branches once numbered their steps alike.
TEST_F(SchemaTest, NamesTheRemedyWhereTheTablesAreNotThoseOfTheirNumber) {
  make(stored_catalog(8) + "ALTER TABLE events ADD COLUMN kind TEXT NOT NULL DEFAULT ''");
  for (const auto open : {Catalog::open, Catalog::open_to_read}) {
    const auto opened = open(path_);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().message,
              fmt::format("open {}: no everseal has written schema 8 so (table events); {}", path_,
                          kRemedy));
  }
  auto database = *base::Database::open(path_);
  EXPECT_EQ(number(database, "PRAGMA user_version"), 8);
}

TEST_F(SchemaTest, IsKnownWithoutGoingItsSteps) {
  auto database = *base::Database::open(":memory:");
  ASSERT_TRUE(migrate(database));
  EXPECT_EQ(*definitions(database), kNewestSchema);
}

TEST_F(SchemaTest, RefusesWhatWasAddedToItOrPutInATablesPlace) {
  const std::pair<const char*, const char*> cases[] = {
      {"ALTER TABLE certificates RENAME TO kept; CREATE VIEW certificates AS SELECT k.* FROM kept "
       "AS "
       "k, (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n)",
       "index certificates_by_look"},
      {"CREATE VIEW more AS SELECT 1", "view more"},
      {"CREATE TRIGGER t AFTER INSERT ON events BEGIN DELETE FROM certificates; END", "trigger t"},
      {"CREATE TABLE more (x)", "table more"},
      {"CREATE VIRTUAL TABLE more USING fts5(x)", "table more"},
      {"CREATE INDEX more ON events (at)", "index more"},
      {"DROP INDEX certificates_by_look", "index certificates_by_look"},
      {"DROP TABLE served; CREATE TABLE served (certificate_id INTEGER PRIMARY KEY, sight TEXT AS "
       "(hex(zeroblob(99999999))))",
       "index served_troubles"},
  };
  for (const auto& [change, what] : cases) {
    make(stored_catalog(schema_version()) + change);
    for (const auto open : {Catalog::open, Catalog::open_to_read}) {
      const auto opened = open(path_);
      ASSERT_FALSE(opened) << change;
      EXPECT_EQ(opened.error().message,
                fmt::format("open {}: no everseal has written schema {} so ({}); {}", path_,
                            schema_version(), what, kRemedy));
    }
  }
}

TEST_F(SchemaTest, NamesTheRemedyWhereTheFileIsNoDatabase) {
  std::ofstream(path_) << std::string(8192, 'x');
  const std::string expected = fmt::format("{}: file is not a database; {}", path_, kRemedy);
  for (const auto open : {Catalog::open, Catalog::open_to_read}) {
    const auto opened = open(path_);
    ASSERT_FALSE(opened);
    EXPECT_TRUE(opened.error().message.ends_with(expected)) << opened.error().message;
  }
}

}  // namespace
}  // namespace everseal::store
