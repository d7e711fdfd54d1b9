#include "store/schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <vector>

#include "base/encoding.h"
#include "store/newest_schema.h"

namespace everseal::store {
namespace {

using base::Database;
using base::Statement;
using base::Transaction;

Result<std::int64_t> read_number(Database& database, std::string_view query) {
  Statement rows = TRY(database.prepare(query));
  static_cast<void>(TRY(rows.step()));
  return rows.integer(0);
}

// What makes of each schema the next: of an empty database the first, and so on. A new catalog goes
// through all of them, too, so that there is one truth. What stands here is never changed, only
// added to; docs/formats.md shows what comes of it.
constexpr std::array<const char*, 11> kSteps = {
    R"sql(
CREATE TABLE accounts (
  server TEXT PRIMARY KEY, url TEXT NOT NULL, contacts TEXT NOT NULL, terms_agreed_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE certificates (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, names TEXT NOT NULL, server TEXT NOT NULL,
  key_type TEXT NOT NULL, method TEXT NOT NULL, webroots TEXT NOT NULL, preferred_chain TEXT NOT NULL,
  in_nginx INTEGER NOT NULL, version INTEGER NOT NULL, not_before INTEGER NOT NULL,
  not_after INTEGER NOT NULL, renew_at INTEGER NOT NULL, fingerprint TEXT NOT NULL,
  failures INTEGER NOT NULL, last_error TEXT NOT NULL, last_attempt INTEGER NOT NULL,
  next_attempt INTEGER NOT NULL
);
CREATE INDEX certificates_by_renewal ON certificates (renew_at);
CREATE TABLE versions (
  certificate_id INTEGER NOT NULL, number INTEGER NOT NULL, state TEXT NOT NULL,
  order_url TEXT NOT NULL, not_before INTEGER NOT NULL, not_after INTEGER NOT NULL,
  fingerprint TEXT NOT NULL, PRIMARY KEY (certificate_id, number)
) WITHOUT ROWID;
CREATE INDEX versions_unfinished ON versions (certificate_id) WHERE state IN ('pending', 'ready');
CREATE TABLE changes (
  id INTEGER PRIMARY KEY, at INTEGER NOT NULL, state TEXT NOT NULL, summary TEXT NOT NULL
);
CREATE TABLE change_files (
  id INTEGER PRIMARY KEY, change_id INTEGER NOT NULL, path TEXT NOT NULL, before BLOB,
  after BLOB
);
CREATE INDEX change_files_by_change ON change_files (change_id);
CREATE TABLE events (
  id INTEGER PRIMARY KEY, at INTEGER NOT NULL, subject TEXT NOT NULL, text TEXT NOT NULL
);
)sql",
    "ALTER TABLE accounts ADD COLUMN thumbprint TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE changes ADD COLUMN sites TEXT NOT NULL DEFAULT '[]'",
    "ALTER TABLE certificates ADD COLUMN in_haproxy TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE certificates ADD COLUMN beside TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE certificates ADD COLUMN renewal_id TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE certificates ADD COLUMN draw INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE certificates ADD COLUMN window_start INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE certificates ADD COLUMN window_end INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE certificates ADD COLUMN window_explanation TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE certificates ADD COLUMN ask_at INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE certificates ADD COLUMN first_failure INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE versions ADD COLUMN renewal_id TEXT NOT NULL DEFAULT '';"
    "CREATE INDEX certificates_by_question ON certificates (ask_at) WHERE renewal_id <> '';"
    "CREATE TABLE limits (bucket TEXT PRIMARY KEY, full_at INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE INDEX certificates_failing ON certificates (not_after) WHERE failures > 0;"
    "CREATE TABLE incidents (key TEXT PRIMARY KEY, headline TEXT NOT NULL, since INTEGER NOT NULL,"
    "told_at INTEGER NOT NULL) WITHOUT ROWID",
    "ALTER TABLE certificates ADD COLUMN covered TEXT NOT NULL DEFAULT '[]';"
    "ALTER TABLE certificates ADD COLUMN failing TEXT NOT NULL DEFAULT '[]';"
    "ALTER TABLE certificates ADD COLUMN next_look INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE versions ADD COLUMN names TEXT NOT NULL DEFAULT '[]';"
    "UPDATE certificates SET covered = names WHERE version > 0;"
    "UPDATE versions SET names = (SELECT names FROM certificates WHERE id = certificate_id)"
    " WHERE state <> 'old';"
    "DROP INDEX certificates_by_question;"
    "DROP INDEX certificates_failing;"
    "CREATE INDEX certificates_by_look ON certificates (next_look);"
    "CREATE INDEX certificates_failing ON certificates (not_after)"
    " WHERE failures > 0 OR failing <> '[]'",
    "ALTER TABLE certificates ADD COLUMN request TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE certificates ADD COLUMN handed_over TEXT NOT NULL DEFAULT '';"
    "CREATE TABLE chores (kind TEXT NOT NULL, subject TEXT NOT NULL, done_at INTEGER NOT NULL,"
    "done_for TEXT NOT NULL, failures INTEGER NOT NULL, first_failure INTEGER NOT NULL,"
    "last_failure INTEGER NOT NULL, last_error TEXT NOT NULL, next_attempt INTEGER NOT NULL,"
    "PRIMARY KEY (kind, subject)) WITHOUT ROWID;"
    "CREATE INDEX chores_failing ON chores (kind) WHERE failures > 0;"
    "INSERT INTO chores (kind, subject, done_at, done_for, failures, first_failure, last_failure,"
    "last_error, next_attempt) SELECT 'account key', server, terms_agreed_at, '', 0, 0, 0, '', 0 "
    "FROM accounts WHERE url <> '' AND terms_agreed_at > 0",
    "ALTER TABLE incidents ADD COLUMN once INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE events ADD COLUMN kind TEXT NOT NULL DEFAULT '';"
    "CREATE INDEX events_by_subject ON events (subject);"
    "CREATE TABLE served (certificate_id INTEGER PRIMARY KEY, sight TEXT NOT NULL, "
    "checked_at INTEGER NOT NULL, fingerprint TEXT NOT NULL, not_after INTEGER NOT NULL, "
    "places TEXT NOT NULL, problem TEXT NOT NULL);"
    "CREATE INDEX served_troubles ON served (certificate_id) WHERE sight <> 'right';"
    "CREATE TABLE moments (name TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID",
    "ALTER TABLE versions ADD COLUMN key_since INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE certificates ADD COLUMN key_since INTEGER NOT NULL DEFAULT 0;"
    "UPDATE versions SET key_since = not_before;"
    "UPDATE certificates SET key_since = not_before WHERE request = ''",
};
constexpr std::int64_t kSchemaVersion = kSteps.size();

Result<> take_steps(Database& database, std::int64_t from, std::int64_t to) {
  for (std::int64_t schema = from; schema < to; ++schema)
    TRY(within(fmt::format("bring schema {} up to {}", schema, schema + 1),
               database.execute(kSteps[static_cast<std::size_t>(schema)])));
  return {};
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  for (; !text.empty(); text.remove_prefix(text.find('\n') + 1))
    lines.push_back(text.substr(0, text.find('\n')));
  return lines;
}

// That they are those that our steps make: what somebody else has put in a table's place might
// never come to an end.
Result<> check_tables(Database& database, std::int64_t version) {
  const std::string theirs = TRY(definitions(database));
  if (version == kSchemaVersion && theirs == kNewestSchema) return {};
  Database empty = TRY(Database::open(":memory:"));
  TRY(take_steps(empty, 0, version));
  const std::string ours = TRY(definitions(empty));
  if (theirs == ours) return {};
  std::vector<std::string_view> differing;
  std::ranges::set_symmetric_difference(lines_of(ours), lines_of(theirs),
                                        std::back_inserter(differing));
  const std::string_view first = differing.front();
  return base::invalid(fmt::format("no everseal has written schema {} so ({}); {}", version,
                                   base::printable(first.substr(0, first.find(':'))), kRemedy));
}

}  // namespace

// Older versions have set blanks otherwise.
Result<std::string> definitions(Database& database) {
  Statement rows =
      TRY(database.prepare("SELECT type || ' ' || name || ': ' || replace(replace(coalesce(sql, "
                           "''), ' ', ''), char(10), "
                           "'') AS line FROM sqlite_schema ORDER BY line"));
  std::string all;
  while (TRY(rows.step())) all.append(rows.text(0)).append("\n");
  return all;
}

std::int64_t schema_version() { return kSchemaVersion; }

Result<> check_not_newer(Database& database) {
  const auto version = read_number(database, "PRAGMA user_version");
  if (!version || *version <= kSchemaVersion) return {};
  return base::invalid(fmt::format("written by a newer everseal (schema {}, this one knows {})",
                                   *version, kSchemaVersion));
}

Result<std::int64_t> find_schema(Database& database) {
  TRY(check_not_newer(database));
  const std::int64_t version = TRY(read_number(database, "PRAGMA user_version"));
  const std::int64_t tables = TRY(read_number(database, "SELECT count(*) FROM sqlite_schema"));
  if (version < 0 || (version == 0) != (tables == 0))
    return base::invalid(
        fmt::format("no everseal has written schema {} with {} tables and indexes; {}", version,
                    tables, kRemedy));
  TRY(check_tables(database, version));
  return version;
}

Result<> migrate(Database& database) {
  if (TRY(find_schema(database)) == kSchemaVersion) return {};
  Transaction transaction = TRY(Transaction::begin(database));
  TRY(take_steps(database, TRY(find_schema(database)), kSchemaVersion));  // by now alone with it
  TRY(database.execute(fmt::format("PRAGMA user_version={}", kSchemaVersion).c_str()));
  return transaction.commit();
}

}  // namespace everseal::store
