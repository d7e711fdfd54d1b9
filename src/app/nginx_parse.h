// A configuration as JSON, in the payload format of NGINX's crossplane
// (https://github.com/nginxinc/crossplane, "crossplane parse").
#pragma once

#include <set>
#include <string>
#include <vector>

#include "app/output.h"
#include "base/file_system.h"

namespace everseal::app {

// Named as crossplane's options are.
struct ParseOptions {
  std::vector<std::string> files;  // main configuration files
  std::set<std::string> ignore;    // directives that are left out
  bool combine = false;            // put what is included in the place of each include
  bool single_file = false;        // follow no include
  bool include_comments = false;
  bool catch_errors = true;  // else a file ends with its first error
  int indent = -1;           // negative: all on one line
};

// The payload for all files; what cannot be read is told in it: `status` is then "failed".
Json parse_payload(const FileReader& reader, const ParseOptions& options);

}  // namespace everseal::app
