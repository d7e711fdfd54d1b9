#include "nginx/config.h"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <set>

namespace everseal::nginx {

std::string_view Directive::argument(std::size_t index) const {
  return index < statement->words.size() ? statement->words[index].value : std::string_view();
}

std::string Directive::where() const { return fmt::format("{}:{}", file->path, statement->line); }

std::string Config::directory() const { return base::directory_of(main_path()); }

std::string Config::resolve(std::string_view path) const {
  if (path.starts_with('/')) return std::string(path);
  return base::join_path(directory(), path);
}

// Reads files and puts what they include in the place of each include.
class Loader {
 public:
  Loader(const FileReader& reader, Config& config) : reader_(reader), config_(config) {}

  // `place` is where the file is asked for: the context of a failure to read it.
  Result<> load(const std::string& path, std::string_view place, std::vector<Directive>& into);

 private:
  Result<ConfigFile*> open(const std::string& path, std::string_view place);
  Result<> fold(const ConfigFile& file, const std::vector<Statement>& statements,
                std::vector<Directive>& into);
  Result<> include(const Directive& directive, std::vector<Directive>& into);

  const FileReader& reader_;
  Config& config_;
  std::vector<std::string> open_;  // paths of the files around the current one
};

Result<ConfigFile*> Loader::open(const std::string& path, std::string_view place) {
  for (const auto& file : config_.files_) {
    if (file->path == path) return file.get();
  }
  std::string real_path = TRY(base::within(place, reader_.real_path(path)));
  std::string text = TRY(base::within(place, reader_.read(path)));
  Document document = TRY(Document::parse(path, std::move(text)));
  config_.files_.push_back(
      std::make_unique<ConfigFile>(path, std::move(real_path), 0, std::move(document)));
  return config_.files_.back().get();
}

Result<> Loader::load(const std::string& path, std::string_view place,
                      std::vector<Directive>& into) {
  ConfigFile* file = TRY(open(path, place));
  ++file->inclusions;
  open_.push_back(path);
  TRY(fold(*file, file->document.statements(), into));
  open_.pop_back();
  return {};
}

Result<> Loader::fold(const ConfigFile& file, const std::vector<Statement>& statements,
                      std::vector<Directive>& into) {
  for (const Statement& statement : statements) {
    Directive directive{&file, &statement, {}};
    if (statement.name() == "include" && statement.ending == Ending::semicolon) {
      TRY(include(directive, into));
      continue;
    }
    TRY(fold(file, statement.children, directive.children));
    into.push_back(std::move(directive));
  }
  return {};
}

Result<> Loader::include(const Directive& directive, std::vector<Directive>& into) {
  if (directive.argument_count() != 1) {
    return base::invalid(
        fmt::format("{}: invalid number of arguments in \"include\" directive; "
                    "expected one path",
                    directive.where()));
  }
  std::string pattern = config_.resolve(directive.argument(1));
  bool magic = pattern.find_first_of("*?[") != pattern.npos;
  std::vector<std::string> paths = {pattern};
  if (magic) paths = TRY(base::within(directive.where(), glob(reader_, pattern)));
  for (const std::string& path : paths) {
    if (std::ranges::find(open_, path) != open_.end()) {
      return base::invalid(fmt::format("{}: \"{}\" is included by itself; remove this include",
                                       directive.where(), path));
    }
    TRY(load(path, directive.where(), into));
  }
  return {};
}

Result<Config> Config::load(const FileReader& reader, const std::string& main_path) {
  Config config;
  // Resolving an include needs the main file's path: it is the first that is opened.
  TRY(Loader(reader, config).load(main_path, main_path, config.directives_));
  return config;
}

namespace {

bool is_magic(std::string_view text) { return text.find_first_of("*?[") != text.npos; }

// Adds the paths below `prefix` that match `rest`, which starts after a '/'.
Result<> expand(const FileReader& reader, const std::string& prefix, std::string_view rest,
                std::vector<std::string>& into) {
  std::size_t slash = rest.find('/');
  std::string component(rest.substr(0, slash));
  bool last = slash == rest.npos;
  auto descend = [&](const std::string& name) -> Result<> {
    std::string path = prefix + name;
    if (!last) return expand(reader, path + "/", rest.substr(slash + 1), into);
    if (base::exists(reader, path)) into.push_back(std::move(path));
    return {};
  };
  if (!is_magic(component)) return descend(component);
  auto names = reader.list(prefix);
  if (!names && names.error().kind == ErrorKind::not_found) return {};
  if (!names) return std::unexpected(std::move(names).error());
  for (const std::string& name : *names) {
    if (::fnmatch(component.c_str(), name.c_str(), FNM_PERIOD) == 0) TRY(descend(name));
  }
  return {};
}

}  // namespace

Result<std::vector<std::string>> glob(const FileReader& reader, const std::string& pattern) {
  std::vector<std::string> paths;
  TRY(expand(reader, "/", std::string_view(pattern).substr(pattern.starts_with('/') ? 1 : 0),
             paths));
  std::ranges::sort(paths);
  return paths;
}

const std::string* OverlayReader::find(const std::string& path) const {
  auto found = texts_.find(path);
  if (found == texts_.end()) {
    auto real = below_.real_path(path);
    if (real) found = texts_.find(*real);
  }
  return found == texts_.end() ? nullptr : &found->second;
}

Result<std::string> OverlayReader::read(const std::string& path) const {
  if (const std::string* text = find(path)) return *text;
  return below_.read(path);
}

Result<base::FileStatus> OverlayReader::status(const std::string& path) const {
  auto below = below_.status(path);
  auto found = texts_.find(path);
  if (found == texts_.end()) return below;
  base::FileStatus status = below.value_or(base::FileStatus{.mode = 0644});
  status.kind = base::FileKind::regular;
  status.size = found->second.size();
  return status;
}

Result<std::string> OverlayReader::real_path(const std::string& path) const {
  auto below = below_.real_path(path);
  if (!below && texts_.contains(path)) return path;
  return below;
}

Result<std::string> OverlayReader::read_link(const std::string& path) const {
  return below_.read_link(path);
}

Result<std::vector<std::string>> OverlayReader::list(const std::string& directory) const {
  auto below = below_.list(directory);
  std::set<std::string> names;
  if (below) names.insert(below->begin(), below->end());
  std::string real = below_.real_path(directory).value_or(directory);
  while (real.size() > 1 && real.ends_with('/')) real.pop_back();
  for (const auto& [path, text] : texts_) {
    if (base::directory_of(path) == real) names.insert(path.substr(path.rfind('/') + 1));
  }
  if (names.empty()) return below;
  return std::vector<std::string>(names.begin(), names.end());
}

}  // namespace everseal::nginx
