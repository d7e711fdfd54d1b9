// nginx -t on files that are not in place yet.
#pragma once

#include <map>
#include <set>
#include <string>

#include "nginx/instance.h"

namespace everseal::nginx {

// Where staged_test() may write and what it tests.
struct StagedFiles {
  std::map<std::string, std::string> texts;  // real path → new text
  std::set<std::string> removed;             // real paths of files that are to go
  std::string own_directory;    // ours, may not exist yet: replaced as a whole; empty: none
  std::string stage_directory;  // exists, private, read by no include: copies are made in it
};

// Runs `nginx -t` in a private mount namespace in which each staged file stands in its place, and
// what is removed from our directory is missing (elsewhere it is empty: a mount cannot hide a
// file); the live files are not touched and nothing outlives the call. `own_directory` is made
// (empty) if it is missing. Errors: invalid with nginx's words; internal if the kernel refuses a
// namespace.
Result<> staged_test(const Instance& instance, FileSystem& files, const StagedFiles& staged);

}  // namespace everseal::nginx
