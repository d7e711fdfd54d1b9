// Account keys on disk, one for each CA.
#pragma once

#include <string>

#include "base/file_system.h"

namespace everseal::store {

// STATE/accounts/CA/key.pem, CA made from the directory URL. `files` must outlive it.
class AccountKeys {
 public:
  AccountKeys(FileSystem& files, std::string state_directory)
      : files_(files), state_(std::move(state_directory)) {}

  // The key for the CA with this directory URL. Errors: not_found.
  Result<base::FileDescriptor> open(const std::string& server) const;

  // Keeps a new key, as `write` writes it in PEM; durable when it returns.
  Result<> create(const std::string& server, const base::ContentWriter& write);

 private:
  std::string path(const std::string& server) const;

  FileSystem& files_;
  const std::string state_;
};

}  // namespace everseal::store
