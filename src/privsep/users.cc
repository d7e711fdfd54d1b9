#include "privsep/users.h"

#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <optional>

namespace everseal::privsep {
namespace {

constexpr uid_t kFirstDynamic = 61184, kLastDynamic = 65519;

std::optional<Identity> find_user(const char* name) {
  const passwd* const entry = ::getpwnam(name);
  if (!entry || entry->pw_uid == 0) return std::nullopt;
  return Identity{entry->pw_uid, entry->pw_gid};
}

// Different for each run, so that two at once do not share one.
Identity unused_identity(uid_t offset) {
  constexpr uid_t kCount = kLastDynamic - kFirstDynamic + 1;
  for (uid_t i = 0; i < kCount; ++i) {
    const uid_t id = kFirstDynamic + (offset + i) % kCount;
    if (!::getpwuid(id)) return {id, id};
  }
  return {kFirstDynamic, kFirstDynamic};
}

Result<> make_user(CommandRunner& commands, const char* name) {
  if (find_user(name)) return {};
  const auto made =
      TRY(commands.run({{"useradd", "--system", "--user-group", "--no-create-home", "--home-dir",
                         "/nonexistent", "--shell", "/usr/sbin/nologin", name}}));
  if (made.exit_status == 0 || find_user(name)) return {};
  return base::internal(fmt::format("make the system user {}: {}", name, made.output));
}

}  // namespace

bool have_system_users() { return find_user(kWorkersUser) && find_user(kKeysUser); }

Result<> make_system_users(CommandRunner& commands) {
  TRY(make_user(commands, kWorkersUser));
  return make_user(commands, kKeysUser);
}

Identities find_identities() {
  const auto workers = find_user(kWorkersUser), keys = find_user(kKeysUser);
  if (workers && keys) return {*workers, *keys, false};
  const auto offset = static_cast<uid_t>(::getpid()) * 2;
  return {unused_identity(offset), unused_identity(offset + 1), true};
}

}  // namespace everseal::privsep
