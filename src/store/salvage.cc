#include "store/salvage.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "store/columns.h"
#include "store/schema.h"

namespace everseal::store {
namespace {

using base::Database;
using base::Statement;
using base::Transaction;

// Rows whose words nobody would understand.
std::string forget_nonsense() {
  const auto quoted = [](const auto& all) { return fmt::format("'{}'", fmt::join(all, "', '")); };
  return fmt::format(
      "DELETE FROM accounts WHERE server NOT LIKE 'https://%';"
      "DELETE FROM certificates WHERE method NOT IN ({})"
      " OR name = '' OR name LIKE '.%' OR name LIKE '%/%' OR json_valid(names) = 0 OR "
      "json_array_length(names) = 0;"
      "DELETE FROM versions WHERE state NOT IN ({})"
      " OR certificate_id NOT IN (SELECT id FROM certificates);"
      "DELETE FROM changes WHERE state NOT IN ({});"
      "DELETE FROM change_files WHERE change_id NOT IN (SELECT id FROM changes);"
      "DELETE FROM events WHERE kind <> '' AND kind NOT IN ({});"
      "DELETE FROM served WHERE sight NOT IN ({})"
      " OR certificate_id NOT IN (SELECT id FROM certificates);",
      quoted(kMethods), quoted(kVersionStates), quoted(kChangeStates), quoted(kEventKinds),
      quoted(kSights));
}

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
  Statement insert =
      TRY(to.prepare(fmt::format("INSERT OR IGNORE INTO {} ({}) VALUES ({}) RETURNING 1", table,
                                 columns, places_of(columns))));
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
Database as_of_now(Database old) {
  const auto schema = find_schema(old);
  if (schema && *schema != schema_version())
    if (auto copied = old.copy_to_memory(); copied && migrate(*copied)) return *std::move(copied);
  return old;
}

}  // namespace

Result<std::vector<Salvaged>> salvage(const std::string& path, Database& to) {
  auto opened = Database::open_to_read(path);
  if (!opened) return std::vector<Salvaged>{{.table = "all", .trouble = opened.error().message}};
  TRY(within(path, check_not_newer(*opened)));
  Database old = as_of_now(*std::move(opened));
  Transaction transaction = TRY(Transaction::begin(to));
  std::vector<Salvaged> all;
  for (const std::string& table :
       TRY(words(to, "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")))
    all.push_back(copy(old, to, table));
  TRY(to.execute(forget_nonsense().c_str()));
  TRY(transaction.commit());
  return all;
}

}  // namespace everseal::store
