// posix_spawn(3)'s objects, with owners.
#pragma once

#include <signal.h>
#include <spawn.h>

namespace everseal::base {

struct SpawnAttributes {
  posix_spawnattr_t value;
  SpawnAttributes() { posix_spawnattr_init(&value); }
  ~SpawnAttributes() { posix_spawnattr_destroy(&value); }
  SpawnAttributes(const SpawnAttributes&) = delete;
  SpawnAttributes& operator=(const SpawnAttributes&) = delete;

  // All signals as a new program finds them, in a session of its own: in no process group of ours,
  // and without our terminal, where it could ask or be stopped.
  void start_afresh() {
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    posix_spawnattr_setsigdefault(&value, &all);
    posix_spawnattr_setsigmask(&value, &none);
    posix_spawnattr_setflags(&value,
                             POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID);
  }
};

struct SpawnActions {
  posix_spawn_file_actions_t value;
  SpawnActions() { posix_spawn_file_actions_init(&value); }
  ~SpawnActions() { posix_spawn_file_actions_destroy(&value); }
  SpawnActions(const SpawnActions&) = delete;
  SpawnActions& operator=(const SpawnActions&) = delete;

  // The last actions: no descriptor from `first_foreign` on, and "/" as the working directory,
  // which nobody else writes in.
  void leave_surroundings(int first_foreign) {
    posix_spawn_file_actions_addclosefrom_np(&value, first_foreign);
    posix_spawn_file_actions_addchdir_np(&value, "/");
  }
};

}  // namespace everseal::base
