// Copies of a certificate's files for services that cannot read ours.
#pragma once

#include <string>
#include <vector>

#include "base/file_system.h"

namespace everseal::deploy {

// What is copied where, for whom.
struct CopyRule {
  std::string name;       // of the certificate: one that it is for
  std::string directory;  // absolute
  std::string owner;      // user; empty: who runs this
  std::string group;      // empty: the owner's
  mode_t mode = 0600;
  std::vector<std::string> files = {"fullchain", "privkey"};  // of live/NAME, without ".pem"
  std::vector<std::string> reload;  // a command and its arguments; empty: nobody is told
};

// Copies the rule's files out of `source` into its directory, from file to file within the kernel,
// each with owner, group and mode before it has its name. All are written before the first takes
// the place of an old one. Errors: invalid (no such user or group), those of the file system; what
// was there stays then, unless a rename itself fails.
Result<> copy_files(const CopyRule& rule, const std::string& source, FileSystem& files);

}  // namespace everseal::deploy
