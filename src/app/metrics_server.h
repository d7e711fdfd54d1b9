// The daemon's page of metrics.
#pragma once

#include <memory>
#include <string_view>

#include "base/address.h"
#include "privsep/process_workers.h"

namespace everseal::app {

// A process of its own shows a text at http://ADDRESS/metrics, from the first on that it is given
// until this object ends.
class MetricsServer {
 public:
  MetricsServer(const base::SocketAddress& address, privsep::Strictness strictness);

  // From now on; a process that has ended is started again. Errors: transient (somebody else
  // listens there), invalid (a text of more than 64 MiB), those of a role.
  Result<> show(std::string_view text);

 private:
  const base::SocketAddress address_;
  privsep::ProcessWorkers workers_;
  std::unique_ptr<privsep::MetricsPage> page_;
};

}  // namespace everseal::app
