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

std::unexpected<Error> hidden(Error error) {
  if (error.kind != ErrorKind::not_found) return std::unexpected(std::move(error));
  return invalid(error.message +
                 " (a link on the way leads nowhere, as to a disk that is not mounted, or a file "
                 "is in the place of a directory)");
}

Result<std::vector<std::string>> list_if_there(const FileReader& files,
                                               const std::string& directory) {
  auto names = files.list(directory);
  if (names) return names;
  if (is_absent(files, directory)) return std::vector<std::string>();
  return hidden(std::move(names).error());
}

}  // namespace everseal::base
