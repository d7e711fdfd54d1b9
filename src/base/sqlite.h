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
  explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

// An open database.
class Database {
 public:
  // Errors: transient (locked, full disk), internal (not a database, read-only …).
  static Result<Database> open(const std::string& path);

  Result<> execute(const char* sql);
  Result<Statement> prepare(std::string_view sql);
  std::int64_t last_id() const;

 private:
  friend class Transaction;
  struct Close {
    void operator()(sqlite3* database) const;
  };
  explicit Database(sqlite3* database) : database_(database) {}
  std::unique_ptr<sqlite3, Close> database_;
};

// Begins on construction; rolls back when it goes unless it was committed. One that begins within
// another is part of it: what it commits is durable with the outer one, and if it fails the outer
// one must be given up.
class Transaction {
 public:
  static Result<Transaction> begin(Database& database);
  Transaction(Transaction&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();
  Result<> commit();

 private:
  explicit Transaction(Database* database) : database_(database) {}
  Database* database_;  // null: committed, or part of another one
};

}  // namespace everseal::base
