// Changes to nginx that were under way when a catalog was copied or damaged.
#pragma once

#include <string>
#include <vector>

#include "store/catalog.h"

namespace everseal::jobs {

// Ends them in a catalog that was restored or made anew: nobody knows whether they are of this
// nginx and of now, so that no run takes them back by itself. They stand as far as they came, and
// `everseal undo` shows a person what it would take back. Returns what to say of each.
Result<std::vector<std::string>> end_unfinished_changes(store::Catalog& catalog);

}  // namespace everseal::jobs
