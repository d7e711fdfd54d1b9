// Status as one line for a monitoring system.
#pragma once

#include <string>

#include "base/result.h"
#include "jobs/status.h"

namespace everseal::jobs {

// As plugins of Nagios answer (monitoring-plugins.org, "Plugin Output for Nagios").
struct Check {
  int exit_status = 0;  // 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN
  std::string line;     // "EVERSEAL OK - … | certificates=3 …", one line with its end
};

// Of nothing, or where the status cannot be told: UNKNOWN.
Check check(const Result<StatusReport>& report);

}  // namespace everseal::jobs
