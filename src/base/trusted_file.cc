#include "base/trusted_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>

#include "base/path_walk.h"

namespace everseal::base {

Result<TrustedFile> find_trusted(const std::string& path) {
  Destination found = TRY(walk(path));
  if (found.weakness) return rejected(describe(*found.weakness));
  if (!S_ISREG(found.status.st_mode)) return invalid(fmt::format("{}: not a regular file", path));
  return TrustedFile{std::move(found.handle), std::move(found.path), found.status.st_mode & 07777};
}

Result<TrustedText> read_trusted(const std::string& path) {
  TrustedFile found = TRY(find_trusted(path));
  const std::string same = fmt::format("/proc/self/fd/{}", found.handle.get());
  const FileDescriptor file(::open(same.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return system_error(fmt::format("open {}", path), errno);
  return TrustedText{TRY(read_all(file, fmt::format("read {}", path))), std::move(found.path),
                     found.mode};
}

}  // namespace everseal::base
