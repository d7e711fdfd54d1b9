#include "jobs/own_files.h"

#include <fmt/format.h>

#include <map>
#include <optional>

#include "nginx/config.h"

namespace everseal::jobs {
namespace {

using Texts = std::map<std::string, std::string>;  // by path

// As the last change left each that is in a directory of ours, whichever nginx it belongs to.
Result<Texts> last_texts(State& state) {
  std::map<std::string, std::optional<std::string>> last;
  for (const store::ChangeRecord& change : TRY(state.catalog().changes())) {
    if (change.state == store::ChangeState::restored) continue;
    if (change.state == store::ChangeState::applying) continue;
    for (const store::ChangedFile& file : change.files)
      if (base::directory_of(file.path).ends_with("/everseal"))
        last.emplace(file.path, file.after);  // the newest come first
  }
  Texts texts;
  for (auto& [path, text] : last)
    if (text) texts.emplace(path, *std::move(text));
  return texts;
}

bool is_damaged(const FileReader& files, const std::string& path, const std::string& wanted) {
  const auto text = files.read(path);
  if (!text) return text.error().kind == ErrorKind::not_found;
  return (text->size() < wanted.size() && wanted.starts_with(*text)) || text->contains('\0');
}

Result<Texts> damaged_texts(const Environment& environment, State& state) {
  Texts texts = TRY(last_texts(state));
  std::erase_if(texts, [&](const auto& file) {
    return !is_damaged(environment.files, file.first, file.second);
  });
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
