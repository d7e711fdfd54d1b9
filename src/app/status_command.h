// `everseal status`: what there is, for people, programs and monitoring.
#pragma once

#include "app/output.h"
#include "base/result.h"
#include "jobs/state.h"
#include "jobs/status.h"

namespace everseal::app {

enum class StatusFormat {
  usual,       // a table, or all about one
  json,        // a document
  check,       // one line and an exit status as Nagios wants them
  prometheus,  // its text exposition format
};

struct StatusCommand {
  jobs::StatusOptions options{};
  StatusFormat format = StatusFormat::usual;
};

Result<Output> execute(const StatusCommand& command, const jobs::Environment& environment);

}  // namespace everseal::app
