#include "store/catalog.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

namespace everseal::store {
namespace {

using base::Database;
using base::Statement;
using base::Transaction;

// What makes of each schema the next, the first one being 1.
constexpr std::array<const char*, 10> kMigrations = {
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
    "INSERT INTO chores SELECT 'account key', server, terms_agreed_at, '', 0, 0, 0, '', 0 "
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
constexpr std::int64_t kSchemaVersion = kMigrations.size() + 1;
constexpr base::Seconds kTooFar = std::chrono::days(2);  // for a next look

constexpr const char* kSchema = R"sql(
CREATE TABLE accounts (
  server TEXT PRIMARY KEY, url TEXT NOT NULL, contacts TEXT NOT NULL, terms_agreed_at INTEGER NOT NULL,
  thumbprint TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
CREATE TABLE certificates (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, names TEXT NOT NULL, server TEXT NOT NULL,
  key_type TEXT NOT NULL, method TEXT NOT NULL, webroots TEXT NOT NULL, preferred_chain TEXT NOT NULL,
  in_nginx INTEGER NOT NULL, version INTEGER NOT NULL, not_before INTEGER NOT NULL,
  not_after INTEGER NOT NULL, renew_at INTEGER NOT NULL, fingerprint TEXT NOT NULL,
  failures INTEGER NOT NULL, last_error TEXT NOT NULL, last_attempt INTEGER NOT NULL,
  next_attempt INTEGER NOT NULL, in_haproxy TEXT NOT NULL DEFAULT '',
  beside TEXT NOT NULL DEFAULT '', renewal_id TEXT NOT NULL DEFAULT '',
  draw INTEGER NOT NULL DEFAULT 0, window_start INTEGER NOT NULL DEFAULT 0,
  window_end INTEGER NOT NULL DEFAULT 0, window_explanation TEXT NOT NULL DEFAULT '',
  ask_at INTEGER NOT NULL DEFAULT 0, first_failure INTEGER NOT NULL DEFAULT 0,
  covered TEXT NOT NULL DEFAULT '[]', failing TEXT NOT NULL DEFAULT '[]',
  next_look INTEGER NOT NULL DEFAULT 0,
  request TEXT NOT NULL DEFAULT '', handed_over TEXT NOT NULL DEFAULT '',
  key_since INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX certificates_by_renewal ON certificates (renew_at);
CREATE INDEX certificates_by_look ON certificates (next_look);
CREATE INDEX certificates_failing ON certificates (not_after)
  WHERE failures > 0 OR failing <> '[]';
CREATE TABLE limits (bucket TEXT PRIMARY KEY, full_at INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE incidents (
  key TEXT PRIMARY KEY, headline TEXT NOT NULL, since INTEGER NOT NULL, told_at INTEGER NOT NULL,
  once INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE chores (
  kind TEXT NOT NULL, subject TEXT NOT NULL, done_at INTEGER NOT NULL, done_for TEXT NOT NULL,
  failures INTEGER NOT NULL, first_failure INTEGER NOT NULL, last_failure INTEGER NOT NULL,
  last_error TEXT NOT NULL, next_attempt INTEGER NOT NULL, PRIMARY KEY (kind, subject)
) WITHOUT ROWID;
CREATE INDEX chores_failing ON chores (kind) WHERE failures > 0;
CREATE TABLE versions (
  certificate_id INTEGER NOT NULL, number INTEGER NOT NULL, state TEXT NOT NULL,
  order_url TEXT NOT NULL, not_before INTEGER NOT NULL, not_after INTEGER NOT NULL,
  fingerprint TEXT NOT NULL, renewal_id TEXT NOT NULL DEFAULT '',
  names TEXT NOT NULL DEFAULT '[]', key_since INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (certificate_id, number)
) WITHOUT ROWID;
CREATE INDEX versions_unfinished ON versions (certificate_id) WHERE state IN ('pending', 'ready');
CREATE TABLE changes (
  id INTEGER PRIMARY KEY, at INTEGER NOT NULL, state TEXT NOT NULL, summary TEXT NOT NULL,
  sites TEXT NOT NULL DEFAULT '[]'
);
CREATE TABLE change_files (
  id INTEGER PRIMARY KEY, change_id INTEGER NOT NULL, path TEXT NOT NULL, before BLOB,
  after BLOB
);
CREATE INDEX change_files_by_change ON change_files (change_id);
CREATE TABLE events (
  id INTEGER PRIMARY KEY, at INTEGER NOT NULL, subject TEXT NOT NULL, text TEXT NOT NULL,
  kind TEXT NOT NULL DEFAULT ''
);
CREATE INDEX events_by_subject ON events (subject);
CREATE TABLE served (
  certificate_id INTEGER PRIMARY KEY, sight TEXT NOT NULL, checked_at INTEGER NOT NULL,
  fingerprint TEXT NOT NULL, not_after INTEGER NOT NULL, places TEXT NOT NULL, problem TEXT NOT NULL
);
CREATE INDEX served_troubles ON served (certificate_id) WHERE sight <> 'right';
CREATE TABLE moments (name TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;
)sql";

constexpr std::string_view kCertificateColumns =
    "SELECT id, name, names, server, key_type, method, webroots, preferred_chain, in_nginx, "
    "version, "
    "not_before, not_after, renew_at, fingerprint, failures, last_error, last_attempt, "
    "next_attempt, in_haproxy, beside, renewal_id, draw, window_start, window_end, "
    "window_explanation, ask_at, first_failure, covered, failing, next_look, request, handed_over, "
    "key_since FROM certificates ";

constexpr std::string_view kChoreColumns =
    "SELECT kind, subject, done_at, done_for, failures, first_failure, last_failure, last_error, "
    "next_attempt FROM chores WHERE kind = ?1";

constexpr std::string_view kChangeColumns = "SELECT id, at, state, summary, sites FROM changes";

std::int64_t to_integer(Time time) { return time.time_since_epoch().count(); }
Time to_time(std::int64_t seconds) { return Time(base::Seconds(seconds)); }

std::string to_json(const std::vector<std::string>& texts) {
  return nlohmann::json(texts).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::vector<std::string> from_json(const std::string& text) {
  std::vector<std::string> texts;
  const auto array = nlohmann::json::parse(text, nullptr, false);
  if (!array.is_array()) return texts;
  for (const auto& element : array)
    if (const auto* value = element.get_ptr<const std::string*>()) texts.push_back(*value);
  return texts;
}

std::string to_json(const std::vector<FailingName>& failing) {
  auto array = nlohmann::json::array();
  for (const FailingName& each : failing)
    array.push_back({{"name", each.name},
                     {"failures", each.failures},
                     {"first", to_integer(each.first)},
                     {"last", to_integer(each.last)},
                     {"words", each.words}});
  return array.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::vector<FailingName> failing_from_json(const std::string& text) {
  std::vector<FailingName> failing;
  const auto array = nlohmann::json::parse(text, nullptr, false);
  if (!array.is_array()) return failing;
  for (const auto& each : array) {
    const auto word = [&](const char* key) {
      const auto found = each.find(key);
      return found != each.end() && found->is_string() ? found->get<std::string>() : "";
    };
    const auto number = [&](const char* key) {
      const auto found = each.find(key);
      return found != each.end() && found->is_number_integer() ? found->get<std::int64_t>() : 0;
    };
    failing.push_back({.name = word("name"),
                       .failures = static_cast<int>(number("failures")),
                       .first = to_time(number("first")),
                       .last = to_time(number("last")),
                       .words = word("words")});
  }
  return failing;
}

// An enum and its words, in the order of the enum.
template <std::size_t N>
using Words = std::array<std::string_view, N>;
constexpr Words<3> kMethods = {"nginx", "webroot", "standalone"};
constexpr Words<4> kVersionStates = {"pending", "ready", "live", "old"};
constexpr Words<8> kEventKinds = {"issued",   "installed", "failed", "taken back",
                                  "left out", "differs",   "agrees", "unused"};
constexpr Words<4> kSights = {"right", "wrong", "unreachable", "unused"};
constexpr Words<3> kMoments = {"renewal run", "served check", "names check"};
constexpr Words<4> kChangeStates = {"applying", "applied", "restored", "undone"};

template <class Record>
std::optional<Record> first(std::vector<Record> found) {
  if (found.empty()) return std::nullopt;
  return std::move(found.front());
}

template <class Enum, std::size_t N>
Result<Enum> from_word(const Words<N>& words, std::string_view text) {
  for (std::size_t i = 0; i < N; ++i)
    if (words[i] == text) return static_cast<Enum>(i);
  return base::invalid(fmt::format("catalog: unknown word '{}'", text));
}

std::string_view to_string(VersionState state) {
  return kVersionStates[static_cast<std::size_t>(state)];
}

constexpr std::string_view kServedColumns =
    "SELECT certificate_id, sight, checked_at, fingerprint, not_after, places, problem FROM "
    "served ";

constexpr std::string_view kVersionColumns =
    "SELECT certificate_id, number, state, order_url, not_before, not_after, fingerprint, "
    "renewal_id, names, key_since FROM versions ";

}  // namespace

std::string_view to_string(EventKind kind) { return kEventKinds[static_cast<std::size_t>(kind)]; }
std::string_view to_string(Sight sight) { return kSights[static_cast<std::size_t>(sight)]; }
std::string_view to_string(Method method) { return kMethods[static_cast<std::size_t>(method)]; }
Result<Method> parse_method(std::string_view text) { return from_word<Method>(kMethods, text); }
std::string_view to_string(ChangeState state) {
  return kChangeStates[static_cast<std::size_t>(state)];
}

bool same_request(const CertificateRecord& one, const CertificateRecord& other) {
  return one.server == other.server && one.key_type == other.key_type &&
         one.request == other.request && std::ranges::is_permutation(one.names, other.names);
}

Result<Catalog> Catalog::open(const std::string& path) {
  Catalog catalog(TRY(Database::open(path)));
  // A commit is durable when it returns: the commit protocol rests on it.
  TRY(
      catalog.database_.execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; "
                                "PRAGMA wal_autocheckpoint=100;"));
  TRY(within(fmt::format("open {}", path), catalog.migrate()));
  return catalog;
}

Result<> Catalog::migrate() {
  Statement version = TRY(database_.prepare("PRAGMA user_version"));
  static_cast<void>(TRY(version.step()));
  const std::int64_t found = version.integer(0);
  version.reset();  // what is being read locks indexes
  if (found == kSchemaVersion) return {};
  if (found > kSchemaVersion)
    return base::invalid(fmt::format("written by a newer everseal (schema {}, this one knows {})",
                                     found, kSchemaVersion));
  Transaction transaction = TRY(Transaction::begin(database_));
  if (found == 0) TRY(database_.execute(kSchema));
  for (std::int64_t schema = std::max<std::int64_t>(found, 1); found > 0 && schema < kSchemaVersion;
       ++schema)
    TRY(database_.execute(kMigrations[static_cast<std::size_t>(schema - 1)]));
  TRY(database_.execute(fmt::format("PRAGMA user_version={}", kSchemaVersion).c_str()));
  return transaction.commit();
}

Result<std::optional<AccountRecord>> Catalog::account(const std::string& server) {
  Statement rows =
      TRY(database_.prepare("SELECT url, contacts, terms_agreed_at, thumbprint FROM accounts "
                            "WHERE server = ?"));
  rows.bind(1, server);
  if (!TRY(rows.step())) return std::nullopt;
  AccountRecord account{server, rows.text(0), from_json(rows.text(1)), std::nullopt, rows.text(3)};
  if (rows.integer(2) > 0) account.terms_agreed_at = to_time(rows.integer(2));
  return account;
}

Result<> Catalog::save_account(const AccountRecord& account) {
  Statement insert =
      TRY(database_.prepare("INSERT OR REPLACE INTO accounts VALUES (?, ?, ?, ?, ?)"));
  insert.bind(1, account.server).bind(2, account.url).bind(3, to_json(account.contacts));
  insert.bind(4, account.terms_agreed_at ? to_integer(*account.terms_agreed_at) : 0);
  insert.bind(5, account.thumbprint);
  return insert.run();
}

Result<std::vector<CertificateRecord>> Catalog::certificates() {
  return read_certificates(
      TRY(database_.prepare(fmt::format("{} ORDER BY name", kCertificateColumns))));
}

Result<std::optional<CertificateRecord>> Catalog::certificate(const std::string& name) {
  Statement rows = TRY(database_.prepare(fmt::format("{} WHERE name = ?", kCertificateColumns)));
  rows.bind(1, name);
  return first(TRY(read_certificates(std::move(rows))));
}

Result<std::optional<CertificateRecord>> Catalog::certificate(std::int64_t id) {
  Statement rows = TRY(database_.prepare(fmt::format("{} WHERE id = ?", kCertificateColumns)));
  rows.bind(1, id);
  return first(TRY(read_certificates(std::move(rows))));
}

Result<std::vector<CertificateRecord>> Catalog::certificates_to_look_at(Time now) {
  Statement rows =
      TRY(database_.prepare(fmt::format("{} WHERE next_look <= ?1 OR next_look > ?2 OR id IN "
                                        "(SELECT certificate_id FROM versions "
                                        "WHERE state IN ('pending', 'ready')) ORDER BY not_after",
                                        kCertificateColumns)));
  rows.bind(1, to_integer(now)).bind(2, to_integer(now + kTooFar));
  return read_certificates(std::move(rows));
}

// The plus keeps SQLite from the index of next looks, most of which are to come.
Result<std::vector<CertificateRecord>> Catalog::waiting_certificates(Time now) {
  Statement rows = TRY(database_.prepare(fmt::format(
      "{} WHERE renew_at <= ?1 AND +next_look > ?1 AND id NOT IN (SELECT certificate_id "
      "FROM versions WHERE state IN ('pending', 'ready')) ORDER BY not_after",
      kCertificateColumns)));
  rows.bind(1, to_integer(now));
  return read_certificates(std::move(rows));
}

Result<std::vector<CertificateRecord>> Catalog::failing_certificates() {
  return read_certificates(TRY(database_.prepare(fmt::format(
      "{} WHERE failures > 0 OR failing <> '[]' ORDER BY not_after", kCertificateColumns))));
}

Result<std::vector<IncidentRecord>> Catalog::incidents() {
  Statement rows = TRY(
      database_.prepare("SELECT key, headline, since, told_at, once FROM incidents ORDER BY key"));
  std::vector<IncidentRecord> found;
  while (TRY(rows.step()))
    found.push_back({rows.text(0), rows.text(1), to_time(rows.integer(2)), to_time(rows.integer(3)),
                     rows.integer(4) != 0});
  return found;
}

Result<> Catalog::save_incidents(std::span<const IncidentRecord> incidents) {
  Transaction transaction = TRY(Transaction::begin(database_));
  TRY(database_.execute("DELETE FROM incidents"));
  Statement insert = TRY(database_.prepare("INSERT INTO incidents VALUES (?, ?, ?, ?, ?)"));
  for (const IncidentRecord& each : incidents) {
    insert.bind(1, each.key).bind(2, each.headline);
    insert.bind(3, to_integer(each.since)).bind(4, to_integer(each.told_at));
    insert.bind(5, std::int64_t{each.once});
    TRY(insert.run());
    insert.reset();
  }
  return transaction.commit();
}

Result<std::vector<CertificateRecord>> Catalog::certificates_for_haproxy(
    const std::string& directory) {
  Statement rows = TRY(database_.prepare(
      fmt::format("{} WHERE version > 0 AND in_haproxy <> fingerprint || ' in ' || ? ORDER BY id",
                  kCertificateColumns)));
  rows.bind(1, directory);
  return read_certificates(std::move(rows));
}

Result<> Catalog::save_in_haproxy(const CertificateRecord& certificate,
                                  const std::string& directory) {
  Statement update = TRY(database_.prepare(
      "UPDATE certificates SET in_haproxy = fingerprint || ' in ' || ? WHERE id = ?"));
  update.bind(1, directory).bind(2, certificate.id);
  return update.run();
}

Result<std::vector<CertificateRecord>> Catalog::certificates_to_hand_over(const std::string& how) {
  Statement rows = TRY(database_.prepare(
      fmt::format("{} WHERE version > 0 AND handed_over <> fingerprint || ' by ' || ? ORDER BY id",
                  kCertificateColumns)));
  rows.bind(1, how);
  return read_certificates(std::move(rows));
}

Result<> Catalog::save_handed_over(const CertificateRecord& certificate, const std::string& how) {
  Statement update = TRY(database_.prepare(
      "UPDATE certificates SET handed_over = fingerprint || ' by ' || ? WHERE id = ?"));
  update.bind(1, how).bind(2, certificate.id);
  return update.run();
}

Result<ChoreRecord> Catalog::chore(const std::string& kind, const std::string& subject) {
  Statement rows = TRY(database_.prepare(fmt::format("{} AND subject = ?2", kChoreColumns)));
  rows.bind(1, kind).bind(2, subject);
  auto found = TRY(read_chores(std::move(rows)));
  if (found.empty()) return ChoreRecord{.kind = kind, .subject = subject};
  return std::move(found.front());
}

Result<std::vector<ChoreRecord>> Catalog::chores(const std::string& kind) {
  Statement rows = TRY(database_.prepare(fmt::format("{} ORDER BY subject", kChoreColumns)));
  rows.bind(1, kind);
  return read_chores(std::move(rows));
}

Result<std::vector<ChoreRecord>> Catalog::failing_chores(const std::string& kind) {
  Statement rows =
      TRY(database_.prepare(fmt::format("{} AND failures > 0 ORDER BY subject", kChoreColumns)));
  rows.bind(1, kind);
  return read_chores(std::move(rows));
}

Result<std::vector<ChoreRecord>> Catalog::read_chores(Statement rows) {
  std::vector<ChoreRecord> found;
  while (TRY(rows.step()))
    found.push_back({.kind = rows.text(0),
                     .subject = rows.text(1),
                     .done_at = to_time(rows.integer(2)),
                     .done_for = rows.text(3),
                     .failures = static_cast<int>(rows.integer(4)),
                     .first_failure = to_time(rows.integer(5)),
                     .last_failure = to_time(rows.integer(6)),
                     .last_error = rows.text(7),
                     .next_attempt = to_time(rows.integer(8))});
  return found;
}

Result<> Catalog::save_chore(const ChoreRecord& chore) {
  Statement insert =
      TRY(database_.prepare("INSERT OR REPLACE INTO chores VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"));
  insert.bind(1, chore.kind).bind(2, chore.subject).bind(3, to_integer(chore.done_at));
  insert.bind(4, chore.done_for).bind(5, std::int64_t{chore.failures});
  insert.bind(6, to_integer(chore.first_failure)).bind(7, to_integer(chore.last_failure));
  insert.bind(8, chore.last_error).bind(9, to_integer(chore.next_attempt));
  return insert.run();
}

Result<> Catalog::remove_chore(const ChoreRecord& chore) {
  Statement remove = TRY(database_.prepare("DELETE FROM chores WHERE kind = ? AND subject = ?"));
  return remove.bind(1, chore.kind).bind(2, chore.subject).run();
}

Result<std::optional<Time>> Catalog::next_chore() {
  Statement rows =
      TRY(database_.prepare("SELECT min(next_attempt) FROM chores WHERE failures > 0"));
  static_cast<void>(TRY(rows.step()));
  return rows.integer(0) > 0 ? std::optional(to_time(rows.integer(0))) : std::nullopt;
}

Result<std::vector<AccountRecord>> Catalog::accounts() {
  Statement rows = TRY(database_.prepare("SELECT server FROM accounts ORDER BY server"));
  std::vector<AccountRecord> found;
  while (TRY(rows.step()))
    if (auto each = TRY(account(rows.text(0)))) found.push_back(*std::move(each));
  return found;
}

Result<bool> Catalog::has_certificate_of(const std::string& server) {
  Statement rows = TRY(database_.prepare("SELECT 1 FROM certificates WHERE server = ? LIMIT 1"));
  rows.bind(1, server);
  return rows.step();
}

Result<Catalog::Count> Catalog::count(Time now) {
  Statement rows = TRY(
      database_.prepare("SELECT (SELECT count(*) FROM certificates),"
                        "ifnull((SELECT min(renew_at) FROM certificates WHERE renew_at > ?1), ?2), "
                        "ifnull((SELECT min(next_look) FROM certificates), ?2)"));
  rows.bind(1, to_integer(now)).bind(2, to_integer(Time::max()));
  static_cast<void>(TRY(rows.step()));
  const auto moment = [&](int column) {
    const Time time = to_time(rows.integer(column));
    return time == Time::max() ? std::nullopt : std::optional(time);
  };
  return Count{rows.integer(0), moment(1), moment(2)};
}

Result<> Catalog::save_next_looks(std::span<const CertificateRecord> certificates) {
  Transaction transaction = TRY(Transaction::begin(database_));
  Statement update = TRY(database_.prepare("UPDATE certificates SET next_look = ? WHERE id = ?"));
  for (const CertificateRecord& each : certificates)
    TRY(update.bind(1, to_integer(each.next_look)).bind(2, each.id).run());
  return transaction.commit();
}

Result<std::vector<CertificateRecord>> Catalog::read_certificates(Statement rows) {
  std::vector<CertificateRecord> found;
  while (TRY(rows.step())) {
    CertificateRecord& record = found.emplace_back();
    record.id = rows.integer(0);
    record.name = rows.text(1);
    record.names = from_json(rows.text(2));
    record.server = rows.text(3);
    record.key_type = rows.text(4);
    record.method = TRY(parse_method(rows.text(5)));
    record.webroots = from_json(rows.text(6));
    record.preferred_chain = rows.text(7);
    record.in_nginx = rows.integer(8) != 0;
    record.version = static_cast<int>(rows.integer(9));
    record.not_before = to_time(rows.integer(10));
    record.not_after = to_time(rows.integer(11));
    record.renew_at = to_time(rows.integer(12));
    record.fingerprint = rows.text(13);
    record.failures = static_cast<int>(rows.integer(14));
    record.last_error = rows.text(15);
    record.last_attempt = to_time(rows.integer(16));
    record.next_attempt = to_time(rows.integer(17));
    record.in_haproxy = rows.text(18);
    record.beside = rows.text(19);
    record.renewal_id = rows.text(20);
    record.draw = static_cast<std::uint32_t>(rows.integer(21));
    record.window = {to_time(rows.integer(22)), to_time(rows.integer(23)), rows.text(24)};
    record.ask_at = to_time(rows.integer(25));
    record.first_failure = to_time(rows.integer(26));
    record.covered = from_json(rows.text(27));
    record.failing = failing_from_json(rows.text(28));
    record.next_look = to_time(rows.integer(29));
    record.request = rows.text(30);
    record.handed_over = rows.text(31);
    record.key_since = to_time(rows.integer(32));
  }
  return found;
}

Result<> Catalog::save_certificates(std::span<CertificateRecord> certificates) {
  Transaction transaction = TRY(Transaction::begin(database_));
  for (CertificateRecord& certificate : certificates) TRY(save_certificate(certificate));
  return transaction.commit();
}

Result<> Catalog::save_certificate(CertificateRecord& record) {
  Statement insert = TRY(database_.prepare(
      "INSERT OR REPLACE INTO certificates VALUES (?, ?, ?, ?, ?, ?, ?, ?, "
      "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"));
  if (record.id != 0) insert.bind(1, record.id);
  insert.bind(2, record.name).bind(3, to_json(record.names)).bind(4, record.server);
  insert.bind(5, record.key_type)
      .bind(6, to_string(record.method))
      .bind(7, to_json(record.webroots));
  insert.bind(8, record.preferred_chain).bind(9, std::int64_t{record.in_nginx});
  insert.bind(10, std::int64_t{record.version}).bind(11, to_integer(record.not_before));
  insert.bind(12, to_integer(record.not_after)).bind(13, to_integer(record.renew_at));
  insert.bind(14, record.fingerprint).bind(15, std::int64_t{record.failures});
  insert.bind(16, record.last_error).bind(17, to_integer(record.last_attempt));
  insert.bind(18, to_integer(record.next_attempt))
      .bind(19, record.in_haproxy)
      .bind(20, record.beside)
      .bind(21, record.renewal_id);
  insert.bind(22, std::int64_t{record.draw}).bind(23, to_integer(record.window.start));
  insert.bind(24, to_integer(record.window.end)).bind(25, record.window.explanation);
  insert.bind(26, to_integer(record.ask_at)).bind(27, to_integer(record.first_failure));
  insert.bind(28, to_json(record.covered)).bind(29, to_json(record.failing));
  insert.bind(30, to_integer(record.next_look));
  insert.bind(31, record.request).bind(32, record.handed_over);
  insert.bind(33, to_integer(record.key_since));
  TRY(insert.run());
  if (record.id == 0) record.id = database_.last_id();
  return {};
}

Result<std::optional<VersionRecord>> Catalog::version(std::int64_t certificate_id,
                                                      VersionState state) {
  Statement rows = TRY(database_.prepare(fmt::format(
      "{} WHERE certificate_id = ? AND state = ? ORDER BY number DESC LIMIT 1", kVersionColumns)));
  rows.bind(1, certificate_id).bind(2, to_string(state));
  return first(TRY(read_versions(std::move(rows))));
}

Result<std::vector<VersionRecord>> Catalog::unfinished_versions() {
  return read_versions(TRY(
      database_.prepare(fmt::format("{} WHERE state IN ('pending', 'ready')", kVersionColumns))));
}

Result<std::optional<VersionRecord>> Catalog::version_with(std::int64_t certificate_id,
                                                           const std::string& fingerprint) {
  Statement rows = TRY(database_.prepare(
      fmt::format("{} WHERE certificate_id = ? AND fingerprint = ?", kVersionColumns)));
  rows.bind(1, certificate_id).bind(2, fingerprint);
  return first(TRY(read_versions(std::move(rows))));
}

Result<std::vector<VersionRecord>> Catalog::read_versions(Statement rows) {
  std::vector<VersionRecord> found;
  while (TRY(rows.step()))
    found.push_back({rows.integer(0), static_cast<int>(rows.integer(1)),
                     TRY(from_word<VersionState>(kVersionStates, rows.text(2))), rows.text(3),
                     to_time(rows.integer(4)), to_time(rows.integer(5)), rows.text(6), rows.text(7),
                     from_json(rows.text(8)), to_time(rows.integer(9))});
  return found;
}

Result<std::vector<int>> Catalog::old_versions(std::int64_t certificate_id) {
  Statement rows = TRY(
      database_.prepare("SELECT number FROM versions WHERE certificate_id = ? AND state = 'old' "
                        "ORDER BY number DESC"));
  rows.bind(1, certificate_id);
  std::vector<int> numbers;
  while (TRY(rows.step())) numbers.push_back(static_cast<int>(rows.integer(0)));
  return numbers;
}

Result<int> Catalog::last_version(std::int64_t certificate_id) {
  Statement rows =
      TRY(database_.prepare("SELECT max(number) FROM versions WHERE certificate_id = ?"));
  rows.bind(1, certificate_id);
  static_cast<void>(TRY(rows.step()));
  return static_cast<int>(rows.integer(0));
}

Result<> Catalog::save_versions(std::span<const VersionRecord> versions) {
  Transaction transaction = TRY(Transaction::begin(database_));
  for (const VersionRecord& version : versions) TRY(save_version(version));
  return transaction.commit();
}

Result<> Catalog::save_version(const VersionRecord& version) {
  Statement insert = TRY(
      database_.prepare("INSERT OR REPLACE INTO versions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"));
  insert.bind(1, version.certificate_id).bind(2, std::int64_t{version.number});
  insert.bind(3, to_string(version.state)).bind(4, version.order_url);
  insert.bind(5, to_integer(version.not_before)).bind(6, to_integer(version.not_after));
  insert.bind(7, version.fingerprint).bind(8, version.renewal_id).bind(9, to_json(version.names));
  insert.bind(10, to_integer(version.key_since));
  return insert.run();
}

Result<> Catalog::remove_version(std::int64_t certificate_id, int number) {
  Statement remove =
      TRY(database_.prepare("DELETE FROM versions WHERE certificate_id = ? AND number = ?"));
  return remove.bind(1, certificate_id).bind(2, std::int64_t{number}).run();
}

Result<> Catalog::make_live(std::span<CertificateRecord> certificates,
                            std::span<const VersionRecord> versions) {
  Transaction transaction = TRY(Transaction::begin(database_));
  Statement retire = TRY(database_.prepare(
      "UPDATE versions SET state = 'old' WHERE certificate_id = ? AND state = 'live'"));
  for (const VersionRecord& version : versions) {
    TRY(retire.bind(1, version.certificate_id).run());
    TRY(save_version(version));
  }
  for (CertificateRecord& certificate : certificates) {
    TRY(save_certificate(certificate));
    TRY(enter_proof(certificate));
  }
  return transaction.commit();
}

Result<> Catalog::enter_proof(const CertificateRecord& certificate) {
  Statement update = TRY(database_.prepare(
      certificate.in_nginx
          ? "UPDATE served SET sight = 'right', problem = '', checked_at = ?2, fingerprint = ?3, "
            "not_after = ?4 WHERE certificate_id = ?1"
          : "DELETE FROM served WHERE certificate_id = ?1"));
  update.bind(1, certificate.id);
  if (certificate.in_nginx)
    update.bind(2, to_integer(certificate.last_attempt))
        .bind(3, certificate.fingerprint)
        .bind(4, to_integer(certificate.not_after));
  return update.run();
}

Result<Catalog::Limits> Catalog::limits() {
  Statement rows = TRY(database_.prepare("SELECT bucket, full_at FROM limits"));
  Limits limits;
  while (TRY(rows.step())) limits.emplace(rows.text(0), rows.integer(1));
  return limits;
}

Result<> Catalog::save_limits(const Limits& limits) {
  Transaction transaction = TRY(Transaction::begin(database_));
  TRY(database_.execute("DELETE FROM limits"));
  Statement insert = TRY(database_.prepare("INSERT INTO limits VALUES (?, ?)"));
  for (const auto& [bucket, full_at] : limits) TRY(insert.bind(1, bucket).bind(2, full_at).run());
  return transaction.commit();
}

Result<std::int64_t> Catalog::begin_change(Time at, const std::string& summary,
                                           const std::vector<std::string>& sites) {
  Statement insert =
      TRY(database_.prepare("INSERT INTO changes (at, state, summary, sites) VALUES (?, ?, ?, ?)"));
  insert.bind(1, to_integer(at)).bind(2, to_string(ChangeState::applying)).bind(3, summary);
  insert.bind(4, to_json(sites));
  TRY(insert.run());
  return database_.last_id();
}

Result<> Catalog::append_files(std::int64_t change, std::span<const ChangedFile> files) {
  Statement insert = TRY(database_.prepare(
      "INSERT INTO change_files (change_id, path, before, after) VALUES (?, ?, ?, ?)"));
  for (const ChangedFile& file : files) {
    insert.bind(1, change).bind(2, file.path).bind_blob(3, file.before).bind_blob(4, file.after);
    TRY(insert.run());
  }
  return {};
}

Result<> Catalog::add_changed_files(std::int64_t change, std::span<const ChangedFile> files) {
  Transaction transaction = TRY(Transaction::begin(database_));
  TRY(append_files(change, files));
  return transaction.commit();
}

Result<> Catalog::end_change(std::int64_t change, ChangeState state,
                             std::span<const ChangedFile> files) {
  Transaction transaction = TRY(Transaction::begin(database_));
  Statement forget = TRY(database_.prepare("DELETE FROM change_files WHERE change_id = ?"));
  TRY(forget.bind(1, change).run());
  TRY(append_files(change, files));
  Statement update = TRY(database_.prepare("UPDATE changes SET state = ? WHERE id = ?"));
  TRY(update.bind(1, to_string(state)).bind(2, change).run());
  return transaction.commit();
}

Result<> Catalog::set_change_state(std::int64_t change, ChangeState state) {
  Statement update = TRY(database_.prepare("UPDATE changes SET state = ? WHERE id = ?"));
  return update.bind(1, to_string(state)).bind(2, change).run();
}

Result<std::optional<ChangeRecord>> Catalog::change(std::int64_t id) {
  Statement rows = TRY(database_.prepare(fmt::format("{} WHERE id = ?", kChangeColumns)));
  rows.bind(1, id);
  return read_change(rows);
}

Result<std::optional<ChangeRecord>> Catalog::last_change(ChangeState state) {
  Statement rows = TRY(database_.prepare(
      fmt::format("{} WHERE state = ? ORDER BY id DESC LIMIT 1", kChangeColumns)));
  rows.bind(1, to_string(state));
  return read_change(rows);
}

Result<std::vector<ChangeRecord>> Catalog::changes() {
  Statement rows = TRY(database_.prepare(fmt::format("{} ORDER BY id DESC", kChangeColumns)));
  std::vector<ChangeRecord> all;
  while (auto change = TRY(read_change(rows))) all.push_back(*std::move(change));
  return all;
}

Result<std::optional<ChangeRecord>> Catalog::read_change(Statement& rows) {
  if (!TRY(rows.step())) return std::nullopt;
  ChangeRecord change{rows.integer(0),
                      to_time(rows.integer(1)),
                      TRY(from_word<ChangeState>(kChangeStates, rows.text(2))),
                      rows.text(3),
                      from_json(rows.text(4)),
                      {}};
  Statement files = TRY(database_.prepare(
      "SELECT path, before, after FROM change_files WHERE change_id = ? ORDER BY id"));
  files.bind(1, change.id);
  while (TRY(files.step())) change.files.push_back({files.text(0), files.blob(1), files.blob(2)});
  return change;
}

Result<> Catalog::add_events(std::span<const EventRecord> events) {
  if (events.empty()) return {};
  Transaction transaction = TRY(Transaction::begin(database_));
  Statement insert =
      TRY(database_.prepare("INSERT INTO events (at, subject, kind, text) VALUES (?, ?, ?, ?)"));
  Statement forget = TRY(database_.prepare(
      "DELETE FROM events WHERE subject = ?1 AND id <= (SELECT id FROM events WHERE subject = ?1 "
      "ORDER BY id DESC LIMIT 1 OFFSET ?2)"));
  for (const EventRecord& event : events) {
    insert.bind(1, to_integer(event.at)).bind(2, event.subject).bind(3, to_string(event.kind));
    TRY(insert.bind(4, event.text).run());
    TRY(forget.bind(1, event.subject).bind(2, std::int64_t{kMostEvents}).run());
  }
  return transaction.commit();
}

Result<std::vector<EventRecord>> Catalog::events(const std::string& subject, int most) {
  Statement rows = TRY(database_.prepare(
      "SELECT at, kind, text FROM events WHERE subject = ? ORDER BY id DESC LIMIT ?"));
  rows.bind(1, subject).bind(2, std::int64_t{most});
  std::vector<EventRecord> found;
  while (TRY(rows.step()))
    found.push_back({to_time(rows.integer(0)), subject,
                     TRY(from_word<EventKind>(kEventKinds, rows.text(1))), rows.text(2)});
  std::ranges::reverse(found);
  return found;
}

Result<std::vector<ServedRecord>> Catalog::served() {
  return read_served(
      TRY(database_.prepare(fmt::format("{} ORDER BY certificate_id", kServedColumns))));
}

Result<std::vector<ServedRecord>> Catalog::served_troubles() {
  return read_served(TRY(database_.prepare(
      fmt::format("{} WHERE sight <> 'right' ORDER BY certificate_id", kServedColumns))));
}

Result<std::vector<ServedRecord>> Catalog::read_served(Statement rows) {
  std::vector<ServedRecord> found;
  while (TRY(rows.step()))
    found.push_back({rows.integer(0), TRY(from_word<Sight>(kSights, rows.text(1))),
                     to_time(rows.integer(2)), rows.text(3), to_time(rows.integer(4)),
                     from_json(rows.text(5)), rows.text(6)});
  return found;
}

Result<> Catalog::save_served(std::span<const ServedRecord> served) {
  Transaction transaction = TRY(Transaction::begin(database_));
  TRY(database_.execute("DELETE FROM served"));
  Statement insert = TRY(database_.prepare("INSERT INTO served VALUES (?, ?, ?, ?, ?, ?, ?)"));
  for (const ServedRecord& each : served) {
    insert.bind(1, each.certificate_id).bind(2, to_string(each.sight));
    insert.bind(3, to_integer(each.checked_at)).bind(4, each.fingerprint);
    insert.bind(5, to_integer(each.not_after)).bind(6, to_json(each.places));
    TRY(insert.bind(7, each.problem).run());
  }
  return transaction.commit();
}

Result<Time> Catalog::last(Moment moment) {
  Statement rows = TRY(database_.prepare("SELECT at FROM moments WHERE name = ?"));
  rows.bind(1, kMoments[static_cast<std::size_t>(moment)]);
  return TRY(rows.step()) ? to_time(rows.integer(0)) : Time();
}

Result<> Catalog::save_last(Moment moment, Time at) {
  Statement insert = TRY(database_.prepare("INSERT OR REPLACE INTO moments VALUES (?, ?)"));
  return insert.bind(1, kMoments[static_cast<std::size_t>(moment)]).bind(2, to_integer(at)).run();
}

}  // namespace everseal::store
