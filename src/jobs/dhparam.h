// The Diffie-Hellman parameters of nginx.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "jobs/server.h"

namespace everseal::jobs {

// The files to keep fresh, by real path: those of the settings, else those that an ssl_dhparam of
// nginx's configuration names and that are in our directory there.
Result<std::vector<std::string>> dhparam_files(const Environment& environment);

// The group of RFC 7919 that a file holds, or empty. Errors: invalid (no parameters).
Result<std::string> rfc_group_in(const FileReader& files, const std::string& path);

// One change of parameters, in effect once they are replaced; what is not committed comes back,
// also after a kill (deploy::recover()). References must outlive it.
class DhparamChange {
 public:
  DhparamChange(const Environment& environment, State& state)
      : environment_(environment), state_(state) {}

  // New parameters of the same size (but at least 2048 bits) in each file, tested by `nginx -t`,
  // one reload for all. On an error all is as it was.
  Result<> replace(const std::vector<std::string>& paths);

  bool has_begun() const { return deployment_ != nullptr; }
  Result<> commit();
  Result<> restore();

 private:
  Result<std::string> make(const std::string& path, const std::string& before) const;

  const Environment& environment_;
  State& state_;
  std::optional<Server> server_;
  std::optional<deploy::Context> context_;
  std::unique_ptr<deploy::Deployment> deployment_;
};

}  // namespace everseal::jobs
