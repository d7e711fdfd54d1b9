// Taking back a change to nginx.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "deploy/deployment.h"
#include "jobs/state.h"

namespace everseal::jobs {

struct UndoSummary {
  std::optional<std::int64_t> change;  // the one that was taken back; none: there was nothing
  std::vector<std::string> files;
  std::vector<deploy::StillNamed> kept{};  // files of ours that others include
  // By file and line: edited since, and left so; and what is no file of nginx's.
  std::vector<std::string> left{};
};

// Takes back `change`, else the last that stands, after showing it and a yes; before these, what an
// earlier run left unfinished, as far as nobody has edited the same lines since. Certificates stay.
// Errors: invalid (no such change, or it does not stand), rejected (the administrator has edited
// the same lines since, which are named; or there was no yes); nothing is changed then.
Result<UndoSummary> undo(const Environment& environment, std::optional<std::int64_t> change);

}  // namespace everseal::jobs
