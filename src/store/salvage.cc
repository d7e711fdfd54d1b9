#include "store/salvage.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "store/schema.h"

namespace everseal::store {
namespace {

using base::Database;
using base::Statement;
using base::Transaction;

// Rows whose words nobody would understand.
constexpr const char* kForgetNonsense =
    "DELETE FROM accounts WHERE server NOT LIKE 'https://%';"
    "DELETE FROM certificates WHERE method NOT IN ('nginx', 'webroot', 'standalone')"
    " OR name = '' OR name LIKE '.%' OR name LIKE '%/%' OR json_valid(names) = 0 OR "
    "json_array_length(names) = 0;"
    "DELETE FROM versions WHERE state NOT IN ('pending', 'ready', 'live', 'old')"
    " OR certificate_id NOT IN (SELECT id FROM certificates);"
    "DELETE FROM changes WHERE state NOT IN ('applying', 'applied', 'restored', 'undone');"
    "DELETE FROM change_files WHERE change_id NOT IN (SELECT id FROM changes);"
    "DELETE FROM served WHERE sight NOT IN ('right', 'wrong', 'unreachable', 'unused')"
    " OR certificate_id NOT IN (SELECT id FROM certificates);";

Result<std::vector<std::string>> words(Database& database, const std::string& query) {
  Statement rows = TRY(database.prepare(query));
  std::vector<std::string> found;
  while (TRY(rows.step())) found.push_back(rows.text(0));
  return found;
}

Result<std::vector<std::string>> columns(Database& database, const std::string& table) {
  return words(database, fmt::format("SELECT name FROM pragma_table_info('{}')", table));
}

// The columns that both have.
Result<std::string> common_columns(Database& from, Database& to, const std::string& table) {
  const auto theirs = TRY(columns(from, table));
  auto ours = TRY(columns(to, table));
  std::erase_if(ours, [&](const std::string& column) {
    return std::ranges::find(theirs, column) == theirs.end();
  });
  if (ours.empty()) return base::not_found("it is not there");
  return fmt::format("{}", fmt::join(ours, ", "));
}

// Every row that a walk in this order meets before one that cannot be read.
Result<> walk(Database& from, Database& to, const std::string& table, const std::string& columns,
              std::string_view order, std::int64_t& rows_copied) {
  Statement rows = TRY(from.prepare(fmt::format("SELECT {} FROM {} ORDER BY {} {}", columns, table,
                                                columns.substr(0, columns.find(',')), order)));
  const auto count = static_cast<int>(std::ranges::count(columns, ',')) + 1;
  std::string values = "?";
  for (int i = 1; i < count; ++i) values += ", ?";
  Statement insert = TRY(to.prepare(fmt::format(
      "INSERT OR IGNORE INTO {} ({}) VALUES ({}) RETURNING 1", table, columns, values)));
  while (TRY(rows.step())) {
    for (int i = 0; i < count; ++i) insert.bind(i + 1, rows, i);
    rows_copied += TRY(insert.step());
    insert.reset();
  }
  return {};
}

// From both ends, as far as the damage.
Salvaged copy(Database& from, Database& to, const std::string& table) {
  Salvaged salvaged{.table = table};
  const auto columns = common_columns(from, to, table);
  if (!columns) {
    salvaged.trouble = columns.error().message;
    return salvaged;
  }
  const auto forward = walk(from, to, table, *columns, "ASC", salvaged.rows);
  if (forward) return salvaged;
  salvaged.trouble = forward.error().message;
  static_cast<void>(walk(from, to, table, *columns, "DESC", salvaged.rows));
  return salvaged;
}

// As this version would have it, or, where that cannot be, as it lies there.
Result<Database> open_old(const std::string& path) {
  Database old = TRY(Database::open_to_read(path));
  const auto schema = find_schema(old);
  if (!schema && schema.error().message.starts_with("written by a newer"))
    return std::unexpected(schema.error());
  if (schema && *schema != schema_version())
    if (auto copied = old.copy_to_memory(); copied && migrate(*copied)) return *std::move(copied);
  return old;
}

}  // namespace

Result<std::vector<Salvaged>> salvage(const std::string& path, Database& to) {
  auto old = open_old(path);
  if (!old && old.error().message.starts_with("written by a newer"))
    return base::within(path, Result<std::vector<Salvaged>>(std::unexpected(old.error())));
  if (!old) return std::vector<Salvaged>{{.table = "all", .trouble = old.error().message}};
  Transaction transaction = TRY(Transaction::begin(to));
  std::vector<Salvaged> all;
  for (const std::string& table :
       TRY(words(to, "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")))
    all.push_back(copy(*old, to, table));
  TRY(to.execute(kForgetNonsense));
  TRY(transaction.commit());
  return all;
}

}  // namespace everseal::store
