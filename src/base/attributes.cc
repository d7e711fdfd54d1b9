#include "base/attributes.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>

#include "base/access_list.h"

namespace everseal::base {
namespace {

// Whether an attribute may be missing that only root can set.
enum class Missing { error, accept };

// ACLs and SELinux labels are extended attributes (acl(5), xattr(7)).
Result<> copy_extended_attributes(const FileDescriptor& from, const FileDescriptor& to,
                                  const std::string& path, Missing missing) {
  char names[64 << 10];
  const ssize_t length = ::flistxattr(from.get(), names, sizeof names);
  if (length < 0) {
    if (errno == ENOTSUP) return {};
    return system_error(fmt::format("list attributes of {}", path), errno);
  }
  for (const char* name = names; name < names + length; name += std::string_view(name).size() + 1) {
    char value[64 << 10];
    const ssize_t size = ::fgetxattr(from.get(), name, value, sizeof value);
    const bool copied =
        size >= 0 && ::fsetxattr(to.get(), name, value, static_cast<std::size_t>(size), 0) == 0;
    if (!copied && (missing == Missing::error || errno != EPERM))
      return system_error(fmt::format("copy attribute {} of {}", name, path), errno);
  }
  return {};
}

// Only root gives files away. A copy that stays ours keeps the group where that is allowed; else
// whoever could use the file as its owner or group gets an access entry by name.
Result<> keep_readable(const FileDescriptor& from, const Identity& owner, const FileDescriptor& to,
                       const std::string& path) {
  [[maybe_unused]] const int same_group = ::fchown(to.get(), uid_t(-1), owner.group);
  struct stat copy{};
  if (::fstat(to.get(), &copy) != 0) return system_error(fmt::format("stat {}", path), errno);
  const std::string original = fmt::format("/proc/self/fd/{}", from.get());
  const AccessList list = TRY(within(path, read_access_list(original, kAccessAttribute)));
  const AccessList kept = keep_access(list, owner, {copy.st_uid, copy.st_gid});
  if (kept == list) return {};
  const std::string bytes = serialize(kept);
  if (::fsetxattr(to.get(), kAccessAttribute, bytes.data(), bytes.size(), 0) != 0)
    return system_error(fmt::format("keep {} readable for whom it was", path), errno);
  return {};
}

}  // namespace

Result<> copy_attributes(const FileDescriptor& from, const FileDescriptor& to,
                         const std::string& path) {
  struct stat status{};
  if (::fstat(from.get(), &status) != 0) return system_error(fmt::format("stat {}", path), errno);
  const bool same_owner = ::fchown(to.get(), status.st_uid, status.st_gid) == 0;
  if (!same_owner && errno != EPERM)
    return system_error(fmt::format("give {} its owner", path), errno);
  // What the directory gives to all its new files.
  if (::fremovexattr(to.get(), kAccessAttribute) != 0 && errno != ENODATA && errno != ENOTSUP)
    return system_error(fmt::format("clear the access list of {}", path), errno);
  if (::fchmod(to.get(), status.st_mode & 07777) != 0)
    return system_error(fmt::format("give {} its mode", path), errno);
  TRY(copy_extended_attributes(from, to, path, same_owner ? Missing::error : Missing::accept));
  return same_owner ? Result<>() : keep_readable(from, {status.st_uid, status.st_gid}, to, path);
}

}  // namespace everseal::base
