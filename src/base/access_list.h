// POSIX access control lists (acl(5)): who else than the owner may use a file.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"

namespace everseal::base {

// One line of a list. `id` is of a named user or group and 0 for the others.
struct AccessEntry {
  enum class Tag : std::uint16_t {
    owner = 1,
    user = 2,
    owning_group = 4,
    group = 8,
    mask = 16,  // the most that users and groups get
    other = 32,
  };
  Tag tag{};
  unsigned rights = 0;  // read 4, write 2, execute or pass 1
  id_t id = 0;

  bool operator==(const AccessEntry&) const = default;
};

// As the kernel wants it: sorted by tag, then id.
using AccessList = std::vector<AccessEntry>;

// Where the kernel keeps the list of a file, and the list that new files in a directory start with.
inline constexpr const char* kAccessAttribute = "system.posix_acl_access";
inline constexpr const char* kDefaultAttribute = "system.posix_acl_default";

// The bytes of such an attribute (linux/posix_acl_xattr.h), little-endian. Errors: invalid.
Result<AccessList> parse_access_list(std::string_view bytes);
std::string serialize(const AccessList& list);

// The list that says what `mode` says.
AccessList access_list_of(mode_t mode);

// The list of a file or directory (kAccessAttribute; without one that of its mode) or what its new
// files get (kDefaultAttribute; empty: nothing special). Symlinks are followed.
Result<AccessList> read_access_list(const std::string& path, const char* attribute);

// What a user of one group may do with a file of `owner` and `group` under `list`.
struct Identity {
  uid_t user = 0;
  gid_t group = 0;
};
unsigned rights_of(const Identity& who, const Identity& owner, const AccessList& list);

// `list` for a copy that belongs to `now` instead of `before`, so that everybody may do what they
// could: who owned it (root may do all anyway) gets entries by name. The new group gets nothing.
AccessList keep_access(AccessList list, const Identity& before, const Identity& now);

}  // namespace everseal::base
