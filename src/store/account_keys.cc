#include "store/account_keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "base/absence.h"

namespace everseal::store {
namespace {

constexpr std::string_view kKey = "key.pem", kNext = "key.next.pem", kSpare = "key.spare.pem";
constexpr mode_t kPrivateFile = 0600;

}  // namespace

// "acme-v02.api.letsencrypt.org_directory" of the URL; nothing in it can leave the directory.
std::string AccountKeys::directory_name(std::string_view url) {
  if (url.starts_with("https://")) url.remove_prefix(8);
  std::string name(url);
  std::ranges::replace_if(
      name, [](unsigned char c) { return !std::isalnum(c) && c != '-' && c != '.'; }, '_');
  if (name.starts_with('.')) name[0] = '_';
  return name;
}

Result<std::vector<std::string>> AccountKeys::directory_names() const {
  auto names = base::list_if_there(files_, state_ + "/accounts");
  if (names)
    std::erase_if(*names, [&](const std::string& name) {
      return !base::exists(files_, fmt::format("{}/accounts/{}/{}", state_, name, kKey));
    });
  return names;
}

std::string AccountKeys::directory(const std::string& server) const {
  return fmt::format("{}/accounts/{}", state_, directory_name(server));
}
std::string AccountKeys::path(const std::string& server, std::string_view file) const {
  return base::join_path(directory(server), file);
}

Result<base::FileDescriptor> AccountKeys::open(const std::string& server) const {
  return files_.open(path(server, kKey));
}

Result<std::string> AccountKeys::set_aside(const std::string& server, Time now) {
  const std::string name = fmt::format("key.damaged-{}.pem", base::to_rfc3339(now));
  TRY(rename(server, kKey, name));
  return path(server, name);
}

Result<> AccountKeys::create(const std::string& server, const base::ContentWriter& write) {
  TRY(base::make_directories(files_, directory(server), 0700));
  return base::write_durably_with(files_, path(server, kKey), write, kPrivateFile);
}

Result<base::FileDescriptor> AccountKeys::open_next(const std::string& server) const {
  return files_.open(path(server, kNext));
}

Result<> AccountKeys::create_next(const std::string& server, const base::ContentWriter& write) {
  return base::write_durably_with(files_, path(server, kNext), write, kPrivateFile);
}

Result<bool> AccountKeys::take_spare(const std::string& server) {
  if (!base::exists(files_, path(server, kSpare))) return false;
  TRY(rename(server, kSpare, kNext));
  return true;
}

Result<> AccountKeys::adopt_next(const std::string& server, Time now) {
  const std::string backup = path(server, fmt::format("key.until-{}.pem", base::to_rfc3339(now)));
  const auto copy = [&](const base::FileDescriptor& file) -> Result<> {
    return base::copy_all(TRY(open(server)), file, "write " + backup);
  };
  TRY(base::write_durably_with(files_, backup, copy, kPrivateFile));
  return rename(server, kNext, kKey);
}

Result<> AccountKeys::shelve_next(const std::string& server) {
  return rename(server, kNext, kSpare);
}

Result<> AccountKeys::rename(const std::string& server, std::string_view from,
                             std::string_view to) {
  TRY(files_.rename(path(server, from), path(server, to)));
  return files_.sync(directory(server));
}

}  // namespace everseal::store
