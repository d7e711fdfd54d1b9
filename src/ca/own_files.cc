#include "ca/own_files.h"

#include <fmt/format.h>
#include <unistd.h>

namespace everseal::ca {
namespace {

constexpr mode_t kOthers = 077, kOthersMayWrite = 022;

Result<> check_owner(const std::string& path, const base::FileStatus& status) {
  if (status.owner == 0 || status.owner == ::geteuid()) return {};
  return base::rejected(fmt::format(
      "{} belongs to user {}, who has, or decides, the CA's keys: if that is right, chown {} {}",
      path, status.owner, ::geteuid(), path));
}

}  // namespace

Result<> check_secret(const FileReader& files, const std::string& path) {
  const auto status = TRY(files.status(path));
  TRY(check_owner(path, status));
  if ((status.mode & kOthers) == 0) return {};
  return base::rejected(fmt::format(
      "{} can be {} by others (mode {:04o}), who may have the CA's key: if nobody took "
      "it, chmod 600 {}; else begin a new CA",
      path, (status.mode & kOthersMayWrite) != 0 ? "written" : "read", status.mode, path));
}

Result<> check_unchanged(const FileReader& files, const std::string& path) {
  const auto status = TRY(files.status(path));
  TRY(check_owner(path, status));
  if ((status.mode & kOthersMayWrite) == 0) return {};
  return base::rejected(
      fmt::format("{} can be changed by others (mode {:04o}), and with it the CA: if nobody did, "
                  "chmod go-w {}",
                  path, status.mode, path));
}

}  // namespace everseal::ca
