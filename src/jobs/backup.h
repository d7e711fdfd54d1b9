// The state directory in one file, and back from it.
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
  std::int64_t certificates = 0;  // that are in live/
};

// Writes all that counts of the state directory into a new file of mode 0600: a tar archive
// (docs/formats.md), durable when it returns. Taken under the lock, so that everything in it
// belongs together; a catalog that is damaged is taken as it is. Errors: invalid (the file exists,
// and is not to be replaced; there is no state), those of State::lock().
Result<BackupReport> backup(const Environment& environment, const BackupOptions& options);

struct RestoreOptions {
  std::string file;  // absolute
};

struct RestoreReport {
  std::vector<std::string> certificates{};  // that are in live/ now
  std::string replaced{};  // where what was there before is now; empty: nothing was
  std::vector<std::string> notes{};
};

// Makes the state directory what it was when the backup was made. It is built whole beside the
// state directory and takes its place in one step, so that a run that is killed leaves the old one
// or the new one; the old one is kept, and the new one belongs to whoever the old one belonged to.
// Errors: invalid (no backup of Everseal's, one that was cut off, one with members that no backup
// has: then nothing was changed), rejected (there was no yes; the directory above belongs to others
// or is a mount point), those of the file system.
Result<RestoreReport> restore(const Environment& environment, const RestoreOptions& options);

}  // namespace everseal::jobs
