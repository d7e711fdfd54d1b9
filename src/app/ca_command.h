// `everseal ca`: an ACME CA of one's own.
#pragma once

#include <string>
#include <vector>

#include "app/output.h"
#include "base/result.h"
#include "ca/validation_context.h"
#include "jobs/state.h"

namespace everseal::app {

struct CaCommand {
  std::vector<std::string> listen;  // empty: 127.0.0.1:8555
  std::string state;  // empty: /var/lib/everseal/ca, or below the user's own directory
  std::string name, resolver, management;
  std::string policy_file, faults_file;  // TOML; empty: none
  std::uint16_t http_port = 80, tls_port = 443;
  bool new_ledger = false;
  bool json = false, quiet = false;
};

// Says where the CA is and serves until a signal ends it.
Result<Output> execute(const CaCommand& command, const jobs::Environment& environment);

}  // namespace everseal::app
