#include "base/sqlite.h"

#include <fmt/format.h>
#include <sqlite3.h>

namespace everseal::base {
namespace {

std::unexpected<Error> failure(std::string_view attempt, sqlite3* database, int code) {
  std::string message =
      fmt::format("{}: {}", attempt, database ? sqlite3_errmsg(database) : sqlite3_errstr(code));
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
std::unexpected<Error> failure(sqlite3* database, int code) {
  return failure(sqlite3_db_filename(database, "main"), database, code);
}

}  // namespace

void Statement::Finalize::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
void Database::Close::operator()(sqlite3* database) const { sqlite3_close(database); }

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
  return failure(sqlite3_db_handle(statement_.get()), code);
}

Result<> Statement::run() {
  static_cast<void>(TRY(step()));
  reset();
  return {};
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

Result<Database> Database::open(const std::string& path) {
  sqlite3* raw = nullptr;
  const int code = sqlite3_open_v2(
      path.c_str(), &raw,
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW,
      nullptr);
  Database database(raw);
  if (code != SQLITE_OK) return failure(fmt::format("open {}", path), raw, code);
  sqlite3_busy_timeout(raw, 10'000);
  // The log stays when we go, its content too: a short run ends without copying it into the
  // database.
  int keep = 1;
  sqlite3_file_control(raw, nullptr, SQLITE_FCNTL_PERSIST_WAL, &keep);
  sqlite3_db_config(raw, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  return database;
}

Result<> Database::execute(const char* sql) {
  const int code = sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return failure(database_.get(), code);
  return {};
}

Result<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v2(database_.get(), sql.data(), static_cast<int>(sql.size()),
                                      &statement, nullptr);
  if (code != SQLITE_OK) return failure(database_.get(), code);
  return Statement(statement);
}

std::int64_t Database::last_id() const { return sqlite3_last_insert_rowid(database_.get()); }

Result<Transaction> Transaction::begin(Database& database) {
  if (sqlite3_get_autocommit(database.database_.get()) == 0) return Transaction(nullptr);
  TRY(database.execute("BEGIN IMMEDIATE"));
  return Transaction(&database);
}

Transaction::~Transaction() {
  if (database_) static_cast<void>(database_->execute("ROLLBACK"));
}

Result<> Transaction::commit() {
  if (!database_) return {};
  TRY(database_->execute("COMMIT"));
  database_ = nullptr;
  return {};
}

}  // namespace everseal::base
