#include "base/absence.h"

namespace everseal::base {

bool is_absent(const FileReader& files, const std::string& path) {
  const auto status = files.status(path);
  if (status || status.error().kind != ErrorKind::not_found) return false;
  const std::string parent = directory_of(path);
  if (parent == path) return false;
  const auto real = files.real_path(parent);
  if (!real) return is_absent(files, parent);
  const auto above = files.status(*real);
  return above && above->kind == FileKind::directory;
}

Result<std::vector<std::string>> list_if_there(const FileReader& files,
                                               const std::string& directory) {
  auto names = files.list(directory);
  if (!names && is_absent(files, directory)) return std::vector<std::string>();
  return names;
}

}  // namespace everseal::base
