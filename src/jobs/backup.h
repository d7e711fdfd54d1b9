// The state directory in one file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "jobs/state.h"

namespace everseal::jobs {

struct BackupOptions {
  std::string file;  // absolute
  bool replace = false;
};

struct BackupReport {
  std::string file{};
  std::uint64_t bytes = 0;
  std::int64_t certificates = 0;     // that are in it and were live
  std::vector<std::string> notes{};  // what is there and is not in it; a catalog that is damaged
};

// Writes all that counts of the state directory into a new file of mode 0600: a tar archive
// (docs/formats.md), durable when it returns, that restore() takes. Taken under the lock, so that
// everything in it belongs together. What a backup does not hold is left out and noted; a symlink
// in the place of a directory or file is followed. A damaged catalog is taken as it is, but not in
// place of an earlier backup. Errors: invalid (the file exists, and is not to be replaced, or is no
// plain file; it would be in the state directory; there is no state, or no catalog of it), rejected
// (a symlink leads nowhere), those of State::lock().
Result<BackupReport> backup(const Environment& environment, const BackupOptions& options);

}  // namespace everseal::jobs
