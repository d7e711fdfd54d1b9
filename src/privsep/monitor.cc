#include "privsep/monitor.h"

#include <linux/capability.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string>

#include "privsep/sandbox.h"

namespace everseal::privsep {
namespace {

constexpr unsigned kNeeded[] = {
    CAP_CHOWN,             // files of nginx keep their owners
    CAP_DAC_OVERRIDE,      // whoever owns them
    CAP_DAC_READ_SEARCH,   //
    CAP_FOWNER,            // and their modes
    CAP_FSETID,            //
    CAP_KILL,              // the reload is a signal to nginx's master
    CAP_SETUID,            // roles become other users
    CAP_SETGID,            //
    CAP_SETPCAP,           // and give up capabilities
    CAP_NET_BIND_SERVICE,  // edge's port 80; `nginx -t` binds its ports
    CAP_SYS_ADMIN,     // the private mount namespace of `nginx -t`; security attributes of files
    CAP_SYS_RESOURCE,  // the keeper's memory is locked; nginx's worker_rlimit_nofile
    CAP_IPC_LOCK,      //
    CAP_SYS_PTRACE,    // which program nginx's master is (/proc/PID/exe)
    CAP_SETFCAP,       // files keep their attributes
    CAP_MAC_ADMIN,     //
    CAP_AUDIT_WRITE,   // useradd
};

// How the terminal is; where systemd has put this service's secrets (systemd.exec(5)) and wants to
// hear from it (sd_notify(3)).
constexpr std::array<const char*, 7> kKept = {
    "TERM",          "COLUMNS",      "NO_COLOR",     "CREDENTIALS_DIRECTORY",
    "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"};

void scrub_environment() {
  std::array<std::string, kKept.size()> values;
  for (std::size_t i = 0; i < kKept.size(); ++i)
    if (const char* const value = ::getenv(kKept[i])) values[i] = value;
  ::clearenv();
  for (std::size_t i = 0; i < kKept.size(); ++i)
    if (!values[i].empty()) ::setenv(kKept[i], values[i].c_str(), 1);
}

}  // namespace

Result<> give_up_monitor_rights() {
  scrub_environment();
  TRY(forbid_dumps());
  if (::geteuid() != 0) return {};
  return keep_capabilities(kNeeded);
}

}  // namespace everseal::privsep
