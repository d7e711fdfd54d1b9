// Account keys on disk, one for each CA.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/file_system.h"

namespace everseal::store {

// STATE/accounts/CA/key.pem, CA made from the directory URL. While the key is changed, and until it
// is known which of both the CA knows, the next one is beside it as key.next.pem. What it replaced
// is kept as key.until-DATE.pem; a next key that the CA did not take is kept as key.spare.pem and
// becomes the next one again. A damaged one is kept as key.damaged-DATE.pem. `files` must outlive
// it.
class AccountKeys {
 public:
  AccountKeys(FileSystem& files, std::string state_directory)
      : files_(files), state_(std::move(state_directory)) {}

  // The directory of the account at the CA with this directory URL, in accounts/; other URLs may
  // have the same.
  static std::string directory_name(std::string_view url);
  // Those that hold a key.
  Result<std::vector<std::string>> directory_names() const;

  // The key for the CA with this directory URL. Errors: not_found.
  Result<base::FileDescriptor> open(const std::string& server) const;

  // A key that is none any more makes room for a new one, and is kept; returns its path.
  Result<std::string> set_aside(const std::string& server, Time now);

  // Keeps a new key, as `write` writes it in PEM; durable when it returns.
  Result<> create(const std::string& server, const base::ContentWriter& write);

  // The next key, and a new one. Errors: not_found.
  Result<base::FileDescriptor> open_next(const std::string& server) const;
  Result<> create_next(const std::string& server, const base::ContentWriter& write);

  // Makes the spare key the next one; false if there is none.
  Result<bool> take_spare(const std::string& server);

  // The next key takes the place of the present one, of which a copy stays. Each step is durable
  // before the next, so that after a kill at any moment both keys are there or the change is done.
  Result<> adopt_next(const std::string& server, Time now);

  // The next key becomes the spare one: the CA does not know it.
  Result<> shelve_next(const std::string& server);

 private:
  std::string directory(const std::string& server) const;
  std::string path(const std::string& server, std::string_view file) const;
  Result<> rename(const std::string& server, std::string_view from, std::string_view to);

  FileSystem& files_;
  const std::string state_;
};

}  // namespace everseal::store
