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

// Of nothing: UNKNOWN.
Check check(const StatusReport& report);

// Where the status cannot be told: UNKNOWN, but CRITICAL where that is because files that nginx
// needs are lost with it.
Check check_without_status(const Error& why, bool is_lost);

}  // namespace everseal::jobs
