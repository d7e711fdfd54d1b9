#include "base/sqlite.h"

#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <system_error>

namespace everseal::base {
namespace {

// Whether the file, or what is in it, is not what it was made to be.
bool is_damage(int code) {
  switch (code & 0xFF) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_ERROR:  // tables or columns that there are not, or already are
      return true;
    default:
      return code == SQLITE_IOERR_SHORT_READ || code == SQLITE_IOERR_CORRUPTFS;
  }
}

// What the system said to a file that could not be read or written; empty: nothing.
std::string system_words(sqlite3* database, int code) {
  if (!database || (code & 0xFF) != SQLITE_IOERR) return {};
  const int system_code = sqlite3_system_errno(database);
  return system_code == 0 ? "" : std::generic_category().message(system_code);
}

std::unexpected<Error> failure(std::string_view attempt, sqlite3* database, int code,
                               const char* remedy) {
  std::string message =
      fmt::format("{}: {}", attempt, database ? sqlite3_errmsg(database) : sqlite3_errstr(code));
  if (const std::string why = system_words(database, code); !why.empty())
    message += fmt::format(" ({})", why);
  if (remedy && is_damage(database ? sqlite3_extended_errcode(database) : code))
    return invalid(fmt::format("{}; {}", message, remedy));
  switch (code & 0xFF) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_FULL:
    case SQLITE_IOERR:
      return transient(std::move(message));
    default:
      return internal(std::move(message));
  }
}

// "/DIRECTORY/catalog.db: database is locked".
std::unexpected<Error> failure(sqlite3* database, int code, const char* remedy) {
  return failure(sqlite3_db_filename(database, "main"), database, code, remedy);
}

constexpr int kBusyMilliseconds = 10'000;
constexpr int kFlags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW;

bool has_log(const std::string& path) {
  struct stat status{};
  return ::stat((path + "-wal").c_str(), &status) == 0 && status.st_size > 0;
}

// Its tables may have been made by somebody whom we do not trust: what is stored with them runs
// nothing of its own (https://sqlite.org/security.html).
void distrust(sqlite3* database) {
  sqlite3_db_config(database, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  for (const int allowed : {SQLITE_DBCONFIG_TRUSTED_SCHEMA, SQLITE_DBCONFIG_ENABLE_VIEW,
                            SQLITE_DBCONFIG_ENABLE_TRIGGER})
    sqlite3_db_config(database, allowed, 0, nullptr);
}

// https://sqlite.org/uri.html: read as it lies there, without locks.
std::string immutable_uri(std::string_view path) {
  std::string uri = "file:";
  for (const char c : path)
    if (c == '%' || c == '?' || c == '#')
      uri += fmt::format("%{:02x}", static_cast<unsigned char>(c));
    else
      uri += c;
  return uri + "?immutable=1";
}

}  // namespace

void Statement::Finalize::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }

void Database::Close::operator()(sqlite3* database) const {
  // What cannot be brought over now stays in the log, for the next who closes it.
  if (is_writer)
    sqlite3_wal_checkpoint_v2(database, nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
  sqlite3_close(database);
}

// A failed bind (out of memory) shows at step().
Statement& Statement::bind(int index, std::int64_t value) {
  sqlite3_bind_int64(statement_.get(), index, value);
  return *this;
}

Statement& Statement::bind(int index, std::string_view text) {
  sqlite3_bind_text64(statement_.get(), index, text.data() ? text.data() : "", text.size(),
                      SQLITE_TRANSIENT, SQLITE_UTF8);
  return *this;
}

Statement& Statement::bind_blob(int index, std::optional<std::string_view> bytes) {
  if (bytes)
    sqlite3_bind_blob64(statement_.get(), index, bytes->data() ? bytes->data() : "", bytes->size(),
                        SQLITE_TRANSIENT);
  else
    sqlite3_bind_null(statement_.get(), index);
  return *this;
}

Result<bool> Statement::step() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return failure(sqlite3_db_handle(statement_.get()), code, remedy_);
}

Result<> Statement::run() {
  static_cast<void>(TRY(step()));
  reset();
  return {};
}

Statement& Statement::bind(int index, const Statement& row, int column) {
  sqlite3_bind_value(statement_.get(), index, sqlite3_column_value(row.statement_.get(), column));
  return *this;
}

void Statement::reset() { sqlite3_reset(statement_.get()); }

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

std::string Statement::text(int column) const { return blob(column).value_or(""); }

std::optional<std::string> Statement::blob(int column) const {
  if (sqlite3_column_type(statement_.get(), column) == SQLITE_NULL) return std::nullopt;
  const void* bytes = sqlite3_column_blob(statement_.get(), column);
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column));
  return bytes ? std::string(static_cast<const char*>(bytes), size) : std::string();
}

Result<Database> Database::open(const std::string& path, const char* remedy) {
  sqlite3* raw = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &raw,
                                   SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | kFlags, nullptr);
  Database database(raw, Close{.is_writer = code == SQLITE_OK}, remedy);
  if (code != SQLITE_OK) return failure(fmt::format("open {}", path), raw, code, remedy);
  distrust(raw);
  sqlite3_busy_timeout(raw, kBusyMilliseconds);
  // The log stays when we go: removing it would be durable only by another fsync. SQLite would
  // bring it over only if nobody else has the database open.
  int keep = 1;
  sqlite3_file_control(raw, nullptr, SQLITE_FCNTL_PERSIST_WAL, &keep);
  sqlite3_db_config(raw, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  return database;
}

Result<Database> Database::open_to_read(const std::string& path, const char* remedy) {
  Database database = TRY(open_unchanged(path, path, 0, remedy));
  const int code =
      sqlite3_exec(database.database_.get(), "PRAGMA schema_version", nullptr, nullptr, nullptr);
  // Where its index cannot be made, as on a read-only file system, nobody else can change it.
  if ((code & 0xFF) == SQLITE_CANTOPEN && !has_log(path))
    return open_unchanged(path, immutable_uri(path), SQLITE_OPEN_URI, remedy);
  return database;
}

Result<Database> Database::open_unchanged(const std::string& path, const std::string& name,
                                          int flags, const char* remedy) {
  sqlite3* raw = nullptr;
  const int code =
      sqlite3_open_v2(name.c_str(), &raw, SQLITE_OPEN_READONLY | kFlags | flags, nullptr);
  Database database(raw, Close{}, remedy);
  if (code != SQLITE_OK) return failure(fmt::format("open {}", path), raw, code, remedy);
  distrust(raw);
  sqlite3_busy_timeout(raw, kBusyMilliseconds);
  sqlite3_db_config(raw, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  return database;
}

Result<Database> Database::copy_to_memory() {
  Database copy = TRY(open(":memory:", remedy_));
  sqlite3_backup* const backup =
      sqlite3_backup_init(copy.database_.get(), "main", database_.get(), "main");
  if (!backup) return failure("copy the database", copy.database_.get(), SQLITE_ERROR, nullptr);
  sqlite3_backup_step(backup, -1);
  const int code = sqlite3_backup_finish(backup);
  if (code != SQLITE_OK)
    return failure(fmt::format("copy {}", sqlite3_db_filename(database_.get(), "main")),
                   copy.database_.get(), code, remedy_);
  return copy;
}

Result<> Database::execute(const char* sql) {
  const int code = sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return failure(database_.get(), code, remedy_);
  return {};
}

Result<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v2(database_.get(), sql.data(), static_cast<int>(sql.size()),
                                      &statement, nullptr);
  if (code != SQLITE_OK) return failure(database_.get(), code, remedy_);
  return Statement(statement, remedy_);
}

std::int64_t Database::last_id() const { return sqlite3_last_insert_rowid(database_.get()); }

Result<> Database::checkpoint() {
  const int code = sqlite3_wal_checkpoint_v2(database_.get(), nullptr, SQLITE_CHECKPOINT_PASSIVE,
                                             nullptr, nullptr);
  if (code != SQLITE_OK) return failure(database_.get(), code, remedy_);
  return {};
}

bool Database::is_in_transaction() const { return ::sqlite3_get_autocommit(database_.get()) == 0; }

Result<Transaction> Transaction::begin(Database& database) {
  const bool is_part = database.is_in_transaction();
  TRY(database.execute(is_part ? "SAVEPOINT part" : "BEGIN IMMEDIATE"));
  return Transaction(database, is_part);
}

Transaction::~Transaction() {
  if (!database_) return;
  static_cast<void>(database_->execute(is_part_ ? "ROLLBACK TO part; RELEASE part" : "ROLLBACK"));
}

Result<> Transaction::commit() {
  TRY(database_->execute(is_part_ ? "RELEASE part" : "COMMIT"));
  database_ = nullptr;
  return {};
}

}  // namespace everseal::base
