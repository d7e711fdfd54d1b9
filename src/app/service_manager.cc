#include "app/service_manager.h"

#include <cstdlib>

#include "base/shared_library.h"

namespace everseal::app {

ServiceManager::ServiceManager() {
  if (!std::getenv("NOTIFY_SOCKET")) return;
  const auto library = base::SharedLibrary::open("libsystemd.so.0", "Debian's libsystemd0");
  if (!library || !library->find("sd_notify", notify_)) return;
  int (*watchdog_enabled)(int, std::uint64_t*) = nullptr;
  std::uint64_t microseconds = 0;
  if (library->find("sd_watchdog_enabled", watchdog_enabled) &&
      watchdog_enabled(0, &microseconds) > 0)
    patience_ = base::Milliseconds(microseconds / 1000);
}

void ServiceManager::tell(const std::string& state) const {
  if (notify_) notify_(0, state.c_str());
}

}  // namespace everseal::app
