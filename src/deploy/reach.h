// Which files the journal of changes may reach.
#pragma once

#include <set>
#include <string>

#include "deploy/deployment.h"

namespace everseal::deploy {

// The files of nginx's configuration. A catalog names the files that were changed, and whoever made
// the catalog may have been somebody else (a backup, a copy put there by hand): what it names is
// obeyed within these.
class Reach {
 public:
  // Looks at the configuration as it is now.
  explicit Reach(const Context& context);

  // Passes files of our own directory, those that the configuration reads as configuration or as
  // parameters for Diffie-Hellman, `context.other_files`, and what is below nginx's configuration
  // directory (where that is not right below "/", as "/etc" is) without a symlink on the way.
  // Errors: rejected, naming the file; those of reading the configuration, where that alone could
  // tell.
  Result<> check(const std::string& path) const;

 private:
  bool is_below_home(const std::string& path) const;

  const Context& context_;
  std::string home_;             // nginx's configuration directory, without symlinks
  std::set<std::string> files_;  // without symlinks
  Result<> loaded_;              // the configuration
};

}  // namespace everseal::deploy
