// What systemd wants to hear of a service (sd_notify(3)).
#pragma once

#include <optional>
#include <string>

#include "base/clock.h"

namespace everseal::app {

// Says nothing where nobody listens.
class ServiceManager {
 public:
  ServiceManager();

  // Lines of sd_notify(3): "READY=1", "STATUS=…".
  void tell(const std::string& state) const;

  // Within this time it wants "WATCHDOG=1" again; nullopt: never.
  std::optional<base::Milliseconds> patience() const { return patience_; }

 private:
  int (*notify_)(int, const char*) = nullptr;
  std::optional<base::Milliseconds> patience_;
};

}  // namespace everseal::app
