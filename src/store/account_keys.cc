#include "store/account_keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace everseal::store {
namespace {

// "acme-v02.api.letsencrypt.org_directory" of the URL; nothing in it can leave the directory.
std::string directory_name(std::string_view url) {
  if (url.starts_with("https://")) url.remove_prefix(8);
  std::string name(url);
  std::ranges::replace_if(
      name, [](unsigned char c) { return !std::isalnum(c) && c != '-' && c != '.'; }, '_');
  if (name.starts_with('.')) name[0] = '_';
  return name;
}

}  // namespace

std::string AccountKeys::path(const std::string& server) const {
  return fmt::format("{}/accounts/{}/key.pem", state_, directory_name(server));
}

Result<base::FileDescriptor> AccountKeys::open(const std::string& server) const {
  return files_.open(path(server));
}

Result<> AccountKeys::create(const std::string& server, const base::ContentWriter& write) {
  TRY(base::make_directories(files_, base::directory_of(path(server)), 0700));
  return base::write_durably_with(files_, path(server), write, 0600);
}

}  // namespace everseal::store
