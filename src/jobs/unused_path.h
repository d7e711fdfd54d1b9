// Names for what is put aside.
#pragma once

#include <fmt/format.h>

#include <string>

#include "base/file_system.h"

namespace everseal::jobs {

// "PATH", or "PATH-2", … if there is something of that name: what was put aside in the same second
// is kept too.
inline std::string unused_path(const FileReader& files, const std::string& path) {
  std::string found = path;
  for (int i = 2; base::exists(files, found); ++i) found = fmt::format("{}-{}", path, i);
  return found;
}

}  // namespace everseal::jobs
