#include "deploy/copy.h"

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <cerrno>

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

// One file on its way: complete under another name.
struct Prepared {
  std::string temporary, path;
};

Result<Prepared> prepare(const CopyRule& rule, const std::string& file, const std::string& source,
                         const Owner& owner, FileSystem& files) {
  const std::string path = fmt::format("{}/{}.pem", rule.directory, file);
  const std::string from = fmt::format("{}/{}.pem", source, file);
  Prepared prepared{base::temporary_path(path), path};
  TRY(base::remove_tree(files, prepared.temporary));
  const auto write = [&](const base::FileDescriptor& copy) -> Result<> {
    if ((owner.user != kUnchanged || owner.group != kUnchanged) &&
        ::fchown(copy.get(), owner.user, owner.group) != 0)
      return base::system_error(fmt::format("give {} to its owner", path), errno);
    return base::copy_all(TRY(files.open(from)), copy, "write " + path);
  };
  TRY(files.create_with(prepared.temporary, write, rule.mode));
  TRY(files.sync(prepared.temporary));
  return prepared;
}

}  // namespace

Result<> copy_files(const CopyRule& rule, const std::string& source, FileSystem& files) {
  const Owner owner = TRY(find_owner(rule));
  std::vector<Prepared> all;
  Result<> done;
  for (const std::string& file : rule.files) {
    auto prepared = prepare(rule, file, source, owner, files);
    if (prepared) {
      all.push_back(*std::move(prepared));
      continue;
    }
    done = std::unexpected(std::move(prepared).error());
    static_cast<void>(base::remove_tree(
        files, base::temporary_path(fmt::format("{}/{}.pem", rule.directory, file))));
    break;
  }
  for (const Prepared& each : all) {
    if (done) done = files.rename(each.temporary, each.path);
    if (!done) static_cast<void>(base::remove_tree(files, each.temporary));
  }
  if (!done) return done;
  return files.sync(rule.directory);
}

}  // namespace everseal::deploy
