// The state directory from a backup.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "jobs/state.h"

namespace everseal::jobs {

struct RestoreOptions {
  std::string file;  // absolute
};

struct RestoreReport {
  Time made{};                              // the backup, as it says
  std::vector<std::string> certificates{};  // that are in live/ now
  std::vector<std::string> missing{};       // that nginx's configuration names, and are not
  std::string user{};                       // to whom the state belongs, if that is not us
  std::string replaced{};  // where what was there before is now; empty: nothing was
  std::vector<std::string> notes{};
};

// Makes the state directory what it was when the backup was made. It is built whole beside the
// state directory and takes its place in one step, so that a run that is killed leaves the old one
// or the new one; the old one is kept, and the new one belongs to whoever the old one belonged to.
// The catalog is made anew from the rows of the backup's, and changes to nginx that were under way
// in it are ended. Errors: invalid (no backup of Everseal's, one that was cut off, one with members
// that no backup has, one of a newer Everseal; the state directory holds what is not Everseal's:
// then nothing was changed), rejected (there was no yes; the directory above belongs to others, or
// the state directory is a mount point), transient (another is at work), those of the file system.
Result<RestoreReport> restore(const Environment& environment, const RestoreOptions& options);

}  // namespace everseal::jobs
