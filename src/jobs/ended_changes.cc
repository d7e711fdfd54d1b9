#include "jobs/ended_changes.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/encoding.h"

namespace everseal::jobs {
namespace {

// From what each file was before the first step to what it was to be after the last.
std::vector<store::ChangedFile> in_one_step(const std::vector<store::ChangedFile>& steps) {
  std::vector<store::ChangedFile> files;
  for (const store::ChangedFile& step : steps) {
    const auto known = std::ranges::find(files, step.path, &store::ChangedFile::path);
    if (known == files.end())
      files.push_back(step);
    else
      known->after = step.after;
  }
  return files;
}

}  // namespace

Result<std::vector<std::string>> end_unfinished_changes(store::Catalog& catalog) {
  using store::ChangeState;
  std::vector<std::string> notes;
  while (const auto change = TRY(catalog.last_change(ChangeState::applying))) {
    TRY(catalog.end_change(change->id, ChangeState::applied, in_one_step(change->files)));
    notes.push_back(
        fmt::format("change {0} to nginx ({1}) was under way then, and is not gone on with: "
                    "`everseal undo {0}` "
                    "shows what is left of it, and takes it back",
                    change->id, base::printable(change->summary)));
  }
  return notes;
}

}  // namespace everseal::jobs
