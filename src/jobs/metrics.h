// Status for Prometheus.
#pragma once

#include <string>

#include "jobs/status.h"

namespace everseal::jobs {

// The text exposition format 0.0.4 (prometheus.io, "Exposition formats"); docs/json.md lists the
// metrics, whose names stay.
std::string to_prometheus(const StatusReport& report);

}  // namespace everseal::jobs
