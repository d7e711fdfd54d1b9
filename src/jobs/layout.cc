#include "jobs/layout.h"

#include <algorithm>
#include <array>

namespace everseal::jobs {
namespace {

constexpr std::array<std::string_view, 7> kNames = {"lock", "memory.json", "accounts",  "certs",
                                                    "live", "stage",       "lost+found"};
constexpr std::array<std::string_view, 3> kDatabases = {"catalog.db", "catalog.draft.db",
                                                        "catalog.new.db"};

bool is_of(std::string_view name, std::string_view database) {
  if (!name.starts_with(database)) return false;
  name.remove_prefix(database.size());
  return name.empty() || name == "-wal" || name == "-shm" || name == "-journal";
}

}  // namespace

bool belongs_in_state(std::string_view name) {
  if (name.starts_with('.') && name.ends_with(".everseal")) return true;  // what waited for a name
  return std::ranges::find(kNames, name) != kNames.end() || name.starts_with("damaged-") ||
         std::ranges::any_of(kDatabases, [&](std::string_view each) { return is_of(name, each); });
}

}  // namespace everseal::jobs
