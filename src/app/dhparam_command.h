// `everseal dhparam`: Diffie-Hellman parameters, for nginx's ssl_dhparam.
#pragma once

#include <string>

#include "app/output.h"
#include "base/result.h"
#include "jobs/state.h"

namespace everseal::app {

struct DhparamCommand {
  std::string group;   // of RFC 7919; empty: ffdhe2048, or a prime of one's own
  int bits = 0;        // of a prime of one's own; 0: a group
  std::string output;  // a file; empty: standard output
};

// Looks first whether the file can be written, and writes it whole or not at all.
Result<Output> execute(const DhparamCommand& command, const jobs::Environment& environment);

}  // namespace everseal::app
