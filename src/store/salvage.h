// What can still be read of a catalog that is damaged.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/sqlite.h"

namespace everseal::store {

// What was taken over of one table. `trouble` says why it may not be all; empty: it is all.
struct Salvaged {
  std::string table{};
  std::int64_t rows = 0;
  std::string trouble{};
};

// Copies the rows of the catalog at `path` that can be read, and that mean something, into the
// empty tables of `to`. Tables are matched by name, columns too: so it does not matter which schema
// they have, if any. Changes nothing at `path`. Errors: invalid, if a newer Everseal wrote it;
// those of `to`.
Result<std::vector<Salvaged>> salvage(const std::string& path, base::Database& to);

}  // namespace everseal::store
