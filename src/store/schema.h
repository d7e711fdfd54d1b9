// The catalog's tables.
#pragma once

#include "base/sqlite.h"

namespace everseal::store {

// Makes them, or brings those of an older version up to this one's. Errors: invalid (a newer one
// wrote them); those of the database.
Result<> migrate(base::Database& database);

}  // namespace everseal::store
