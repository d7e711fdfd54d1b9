// The catalog's tables.
#pragma once

#include <cstdint>
#include <string>

#include "base/sqlite.h"

namespace everseal::store {

// What helps where the catalog is damaged.
inline constexpr const char* kRemedy =
    "`everseal repair` builds the catalog anew from the certificates that are there";

// The schema of this version's tables.
std::int64_t schema_version();

// What is in a database, a line "table NAME: SQL" for each, the SQL without blanks, in order.
// Errors: those of the database.
Result<std::string> definitions(base::Database& database);

// The schema of the tables that are there; 0 if there are none. Errors: invalid (a newer Everseal
// wrote them, or none has: they are not exactly those of their schema); those of the database.
Result<std::int64_t> find_schema(base::Database& database);

// Errors: invalid (a newer Everseal wrote the tables). What cannot be read is not newer.
Result<> check_not_newer(base::Database& database);

// Makes the tables, or brings those of an older version up to this one's, in one transaction; once,
// even if two do it at the same time. Errors: those of find_schema().
Result<> migrate(base::Database& database);

}  // namespace everseal::store
