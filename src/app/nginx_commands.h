// `everseal nginx …`: what nginx's configuration says, to look at. Nothing is changed, and none of
// it needs root, a state directory or another process.
#pragma once

#include <string>
#include <vector>

#include "app/nginx_parse.h"
#include "app/output.h"
#include "base/result.h"
#include "jobs/state.h"

namespace everseal::app {

// `parse FILE…`: the payload, whole also where files cannot be read; the status is then 1.
struct NginxParseCommand {
  ParseOptions options;
};

// `cat FILE…`: each file, put together again from what was understood of it.
struct NginxCatCommand {
  std::vector<std::string> files;
};

// `sites [NAME…]`: servers, sockets and sites as nginx understands them; with names, who answers
// each.
struct NginxSitesCommand {
  std::vector<std::string> names;
};

// "-" among the files is the standard input.
Result<Output> execute(const NginxParseCommand& command, const jobs::Environment& environment);
Result<Output> execute(const NginxCatCommand& command, const jobs::Environment& environment);
Result<Output> execute(const NginxSitesCommand& command, const jobs::Environment& environment);

}  // namespace everseal::app
