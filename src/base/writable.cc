#include "base/writable.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/directory.h"

namespace everseal::base {
namespace {

constexpr unsigned long kLeast = 64 << 10;  // bytes: less than one commit of a database

// What is free for this user: root has a reserve. Some file systems count no files.
bool is_full(const struct statvfs& system, uid_t owner) {
  const auto blocks = owner == 0 ? system.f_bfree : system.f_bavail;
  const auto files = owner == 0 ? system.f_ffree : system.f_favail;
  return (system.f_blocks > 0 && blocks * system.f_frsize < kLeast) ||
         (system.f_files > 0 && files == 0);
}

}  // namespace

std::string why_unwritable(const std::string& directory) {
  const auto held = Directory::open(directory);
  const auto status = held ? held->status() : Result<FileStatus>(not_found(""));
  struct statvfs system{};
  if (!status || ::fstatvfs(held->handle().get(), &system) != 0) return {};
  const char* why = "";
  if ((system.f_flag & ST_RDONLY) != 0)
    why = "its file system is read-only";
  else if (is_full(system, status->owner))
    why = "its file system is full";
  else if (status->owner == ::geteuid() &&
           ::faccessat(held->handle().get(), ".", W_OK, AT_EACCESS) != 0)
    why = "its mode or its attributes forbid it";
  return *why ? fmt::format("{} cannot be written: {}", directory, why) : std::string();
}

}  // namespace everseal::base
