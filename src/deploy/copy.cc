#include "deploy/copy.h"

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>

#include "base/directory.h"

namespace everseal::deploy {
namespace {

constexpr uid_t kUnchanged = static_cast<uid_t>(-1);

struct Owner {
  uid_t user = kUnchanged;
  gid_t group = kUnchanged;
};

Result<Owner> find_owner(const CopyRule& rule) {
  Owner owner;
  if (!rule.owner.empty()) {
    const passwd* const user = ::getpwnam(rule.owner.c_str());
    if (!user) return base::invalid(fmt::format("there is no user {}", rule.owner));
    owner = {user->pw_uid, user->pw_gid};
  }
  if (!rule.group.empty()) {
    const group* const found = ::getgrnam(rule.group.c_str());
    if (!found) return base::invalid(fmt::format("there is no group {}", rule.group));
    owner.group = found->gr_gid;
  }
  return owner;
}

}  // namespace

Result<> copy_files(const CopyRule& rule, const std::string& source, FileSystem& files) {
  const Owner owner = TRY(find_owner(rule));
  const auto directory = TRY(base::Directory::open(rule.directory));
  const base::FileRights rights{.mode = rule.mode, .owner = owner.user, .group = owner.group};
  std::vector<base::Draft> drafts;
  for (const std::string& file : rule.files) {
    const std::string name = file + ".pem";
    const auto write = [&](const base::FileDescriptor& copy) -> Result<> {
      return base::copy_all(TRY(files.open(base::join_path(source, name))), copy,
                            fmt::format("write {}/{}", rule.directory, name));
    };
    drafts.push_back(TRY(directory.draft(name, write, rights)));
  }
  for (base::Draft& draft : drafts) TRY(draft.place());
  return directory.sync();
}

}  // namespace everseal::deploy
