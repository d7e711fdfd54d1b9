// SQLite behind Results: the only file that sees its C interface is sqlite.cc.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace everseal::base {

// A prepared statement; must not outlive its Database. Parameters are numbered from 1, columns
// from 0. Texts and blobs are copied.
class Statement {
 public:
  Statement& bind(int index, std::int64_t value);
  Statement& bind(int index, std::string_view text);
  // A column of another statement's row, of whatever type.
  Statement& bind(int index, const Statement& row, int column);
  Statement& bind_blob(int index, std::optional<std::string_view> bytes);

  // The next row: true, or false at the end.
  Result<bool> step();
  // Runs a statement that gives no rows.
  Result<> run();
  // Ends reading: the statement can be bound and run anew. What was bound stays.
  void reset();

  std::int64_t integer(int column) const;
  std::string text(int column) const;
  std::optional<std::string> blob(int column) const;  // nullopt for NULL

 private:
  friend class Database;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  Statement(sqlite3_stmt* statement, const char* remedy) : statement_(statement), remedy_(remedy) {}
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  const char* remedy_;
};

// An open database: no trigger or view of it is run. Who may change it brings its log into its own
// file on closing it, as far as no reader is in the way: that file alone is then a whole copy.
class Database {
 public:
  // Makes the file if there is none. `remedy`, which must outlive the database, says what helps
  // where it is damaged. Errors, here and of each statement: transient (locked, full disk); invalid
  // with the remedy (damaged, no database at all, or tables other than the statement knows);
  // internal (read-only …, and damage without a remedy).
  static Result<Database> open(const std::string& path, const char* remedy = nullptr);

  // Changes nothing in the file; takes no lock that a writer would wait for. Beside a database with
  // a write-ahead log its shared index (-shm) may be made, which belongs to the database's owner.
  static Result<Database> open_to_read(const std::string& path, const char* remedy = nullptr);

  // A copy of all that is committed, in memory.
  Result<Database> copy_to_memory();

  Result<> execute(const char* sql);
  Result<Statement> prepare(std::string_view sql);
  std::int64_t last_id() const;
  bool is_in_transaction() const;

  // Brings the write-ahead log over now. Errors: those of the database.
  Result<> checkpoint();

 private:
  struct Close {
    bool is_writer = false;
    void operator()(sqlite3* database) const;
  };
  static Result<Database> open_unchanged(const std::string& path, const std::string& name,
                                         int flags, const char* remedy);
  Database(sqlite3* database, Close close, const char* remedy)
      : database_(database, close), remedy_(remedy) {}
  std::unique_ptr<sqlite3, Close> database_;
  const char* remedy_;
};

// Begins on construction; rolls back when it goes unless it was committed. One that begins within
// another is a part of it: it is durable when that one is.
class Transaction {
 public:
  static Result<Transaction> begin(Database& database);
  Transaction(Transaction&& other) noexcept
      : database_(std::exchange(other.database_, nullptr)), is_part_(other.is_part_) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();
  Result<> commit();

 private:
  Transaction(Database& database, bool is_part) : database_(&database), is_part_(is_part) {}
  Database* database_;
  bool is_part_;
};

}  // namespace everseal::base
