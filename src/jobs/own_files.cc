#include "jobs/own_files.h"

#include <fmt/format.h>

#include <map>
#include <optional>

#include "nginx/config.h"
#include "nginx/snippets.h"

namespace everseal::jobs {
namespace {

using Texts = std::map<std::string, std::string>;  // by path

bool is_damaged(const FileReader& files, const std::string& path, const std::string& wanted) {
  const auto status = files.status(path);
  const bool is_in_its_place = status && (status->kind == base::FileKind::other ||
                                          status->kind == base::FileKind::directory);
  if (is_in_its_place) return true;  // nginx would wait for a pipe, and cannot read the rest
  const auto text = files.read(path);
  if (!text) return text.error().kind == ErrorKind::not_found;
  return (text->size() < wanted.size() && wanted.starts_with(*text)) || text->contains('\0');
}

// In all directories of ours, whichever nginx they belong to.
Result<Texts> damaged_texts(const Environment& environment, State& state) {
  Texts texts;
  for (auto& file : TRY(state.catalog().last_files_in("everseal")))
    if (file.after && nginx::is_of_our_kind(*file.after) &&
        is_damaged(environment.files, file.path, *file.after))
      texts.emplace(std::move(file.path), *std::move(file.after));
  return texts;
}

}  // namespace

Result<std::vector<std::string>> write_own_files_anew(const Environment& environment, State& state,
                                                      const Server& server) {
  std::vector<std::string> written;
  FileSystem& files = environment.files;
  Texts damaged = TRY(damaged_texts(environment, state));
  std::erase_if(damaged, [&](const auto& file) {
    return base::directory_of(file.first) != server.own_directory();
  });
  if (damaged.empty()) return written;
  const nginx::OverlayReader whole(files, damaged);
  const auto config = nginx::Config::load(whole, server.instance().config_path());
  if (!config) return written;  // who reads the configuration next says why
  for (const auto& [path, text] : damaged) {
    const auto by = nginx::named_by(*config, whole, path);
    if (!by) continue;
    const auto status = files.status(path);
    if (status && status->kind == base::FileKind::directory)
      return base::rejected(fmt::format(
          "{0} is a directory where {1} includes a file of Everseal's; move it away (mv {0} "
          "{0}.aside), and the next `everseal renew` writes the file anew",
          path, *by));
    TRY(base::make_directories(files, base::directory_of(path), 0755));
    TRY(base::write_durably(files, path, text, 0644));
    environment.reporter.note(
        fmt::format("{} was missing or damaged, and {} includes it: written anew", path, *by));
    written.push_back(path);
  }
  return written;
}

Result<> write_own_files_anew(const Environment& environment, State& state) {
  if (TRY(damaged_texts(environment, state)).empty()) return {};  // nginx need not be asked
  const auto server = Server::find(environment);
  if (!server && server.error().kind == ErrorKind::not_found) return {};
  if (!server) return std::unexpected(server.error());
  static_cast<void>(TRY(write_own_files_anew(environment, state, *server)));
  return {};
}

}  // namespace everseal::jobs
