#include "deploy/reach.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/encoding.h"
#include "nginx/config.h"

namespace everseal::deploy {
namespace {

// A path of names alone: neither "//" nor "." nor "..".
bool is_plain(const std::string& path) {
  if (!path.starts_with('/')) return false;
  for (std::size_t begin = 1; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string name = path.substr(begin, end - begin);
    if (name.empty() || name == "." || name == "..") return false;
    begin = end + 1;
  }
  return true;
}

void add_parameters(const nginx::Config& config, const std::vector<nginx::Directive>& directives,
                    const FileReader& files, std::set<std::string>& found) {
  for (const nginx::Directive& each : directives) {
    add_parameters(config, each.children, files, found);
    if (each.name() != "ssl_dhparam") continue;
    if (const auto real = files.real_path(config.resolve(each.argument(1)))) found.insert(*real);
  }
}

}  // namespace

Reach::Reach(const Context& context) : context_(context) {
  const FileReader& files = context.files;
  const std::string& main = context.instance.config_path();
  home_ = files.real_path(base::directory_of(main)).value_or("");
  if (home_.rfind('/') == 0) home_.clear();  // "/etc" holds other things than nginx's
  files_.insert(context.other_files.begin(), context.other_files.end());
  const auto config = nginx::Config::load(files, main);
  if (!config) {
    loaded_ = std::unexpected(config.error());
    return;
  }
  for (const auto& file : config->files()) files_.insert(file->real_path);
  add_parameters(*config, config->directives(), files, files_);
}

Result<> Reach::check(const std::string& path) const {
  if (is_plain(path) && (base::directory_of(path) == context_.own_directory ||
                         files_.contains(path) || is_below_home(path)))
    return {};
  const std::string name = base::printable(path);
  TRY(within(fmt::format("whether {} is a file of nginx's configuration", name), loaded_));
  return base::rejected(fmt::format("{} is no file of nginx's configuration", name));
}

// A directory that is not there yet is as good as the one above it.
bool Reach::is_below_home(const std::string& path) const {
  if (home_.empty() || !path.starts_with(home_ + "/")) return false;
  const auto status = context_.files.status(path);
  if (status && status->kind != base::FileKind::regular) return false;
  std::string directory = base::directory_of(path);
  while (!base::exists(context_.files, directory)) directory = base::directory_of(directory);
  return context_.files.real_path(directory) == directory;
}

}  // namespace everseal::deploy
