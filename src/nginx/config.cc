#include "nginx/config.h"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <set>
#include <span>
#include <unordered_map>

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

namespace {

// Include chains and folded directives beyond these are refused: nginx would run out of descriptors
// (one for each file around another) or memory.
constexpr std::size_t kMaxOpenFiles = 100;
constexpr std::size_t kMaxDirectives = 2'000'000;

// What the lines of a block are (ngx_conf_parse with cf->handler set): the block's module takes
// them as data, and a "{" among them is refused.
enum class Content {
  directives,
  data_and_includes,  // ngx_http_core_type, ngx_http_map, ngx_http_geo; the same in stream
  data,               // ngx_http_charset_map, ngx_http_split_clients
};

Content content_of(const Statement& block) {
  for (std::string_view name : {"types", "map", "geo"}) {
    if (block.name() == name) return Content::data_and_includes;
  }
  for (std::string_view name : {"charset_map", "split_clients"}) {
    if (block.name() == name) return Content::data;
  }
  return Content::directives;
}

bool is_magic(std::string_view text) { return text.find_first_of("*?[") != text.npos; }

}  // namespace

// Reads files and puts what they include in the place of each include.
class Loader {
 public:
  Loader(const FileReader& reader, Config& config) : reader_(reader), config_(config) {}

  Result<> load(const std::string& main_path);

 private:
  // Where statements are put.
  struct Target {
    std::vector<Directive>& into;
    Content content = Content::directives;
    std::size_t depth = 0;  // of blocks
  };

  // `place` is where the file is asked for: the context of a failure to read it.
  Result<ConfigFile*> open(const std::string& path, std::string_view place);
  Result<> fold(ConfigFile& file, Target target);
  Result<> fold(const ConfigFile& file, std::span<const Statement> statements, Target target);
  Result<> add(Directive directive, Target target);
  Result<> include(const Directive& directive, Target target);
  Result<std::vector<std::string>> included_paths(const Directive& directive) const;
  Result<> check_open_files(const Directive& directive, const ConfigFile& file) const;

  const FileReader& reader_;
  Config& config_;
  std::unordered_map<std::string, ConfigFile*> by_path_;
  std::vector<const ConfigFile*> open_;  // the files around the current one
  std::size_t count_ = 0;                // of directives
};

Result<ConfigFile*> Loader::open(const std::string& path, std::string_view place) {
  if (auto found = by_path_.find(path); found != by_path_.end()) return found->second;
  std::string real_path = TRY(base::within(place, reader_.real_path(path)));
  std::string text = TRY(base::within(place, reader_.read(path)));
  Document document = TRY(Document::parse(path, std::move(text)));
  config_.files_.push_back(
      std::make_unique<ConfigFile>(path, std::move(real_path), 0, std::move(document)));
  return by_path_[path] = config_.files_.back().get();
}

// Resolving an include needs the main file's path: it is the first that is opened.
Result<> Loader::load(const std::string& main_path) {
  return fold(*TRY(open(main_path, main_path)), {config_.directives_});
}

Result<> Loader::fold(ConfigFile& file, Target target) {
  ++file.inclusions;
  open_.push_back(&file);
  TRY(fold(file, file.document.statements(), target));
  open_.pop_back();
  return {};
}

Result<> Loader::fold(const ConfigFile& file, std::span<const Statement> statements,
                      Target target) {
  for (const Statement& statement : statements) TRY(add({&file, &statement, {}}, target));
  return {};
}

Result<> Loader::add(Directive directive, Target target) {
  const Statement& statement = *directive.statement;
  if (++count_ > kMaxDirectives || target.depth > kMaxDepth) {
    return base::invalid(fmt::format(
        "{}: too much is included: at most {} directives, {} blocks inside each other, are read",
        directive.where(), kMaxDirectives, kMaxDepth));
  }
  if (statement.ending != Ending::semicolon && target.content != Content::directives) {
    return base::invalid(fmt::format("{}: unexpected \"{{\"; this block holds data, expected \";\"",
                                     directive.where()));
  }
  if (statement.name() == "include" && target.content != Content::data) {
    return include(directive, target);
  }
  TRY(fold(*directive.file, statement.children,
           {directive.children, content_of(statement), target.depth + 1}));
  target.into.push_back(std::move(directive));
  return {};
}

Result<std::vector<std::string>> Loader::included_paths(const Directive& directive) const {
  std::string pattern = config_.resolve(directive.argument(1));
  if (!is_magic(pattern)) return std::vector{std::move(pattern)};
  auto paths = TRY(base::within(directive.where(), glob(reader_, pattern)));
  for (const std::string& path : paths) {
    const auto status = reader_.status(reader_.real_path(path).value_or(path));
    if (!status || status->kind != base::FileKind::directory) continue;
    return base::invalid(fmt::format("{}: \"{}\" matches the directory {}, which nginx cannot read",
                                     directive.where(), pattern, path));
  }
  return paths;
}

// The same file by another name or link is found too.
Result<> Loader::check_open_files(const Directive& directive, const ConfigFile& file) const {
  if (std::ranges::find(open_, file.real_path, &ConfigFile::real_path) != open_.end()) {
    return base::invalid(fmt::format("{}: \"{}\" is included by itself; remove this include",
                                     directive.where(), file.path));
  }
  if (open_.size() < kMaxOpenFiles) return {};
  return base::invalid(fmt::format("{}: at most {} files inside each other are read",
                                   directive.where(), kMaxOpenFiles));
}

Result<> Loader::include(const Directive& directive, Target target) {
  if (directive.argument_count() != 1 || directive.statement->ending != Ending::semicolon) {
    return base::invalid(
        fmt::format("{}: invalid number of arguments in \"include\" directive; "
                    "expected one path",
                    directive.where()));
  }
  for (const std::string& path : TRY(included_paths(directive))) {
    ConfigFile* file = TRY(open(path, directive.where()));
    TRY(check_open_files(directive, *file));
    TRY(fold(*file, target));
  }
  return {};
}

Result<Config> Config::load(const FileReader& reader, const std::string& main_path) {
  Config config;
  TRY(Loader(reader, config).load(main_path));
  return config;
}

namespace {

std::string_view name_in(std::string_view path) { return path.substr(path.rfind('/') + 1); }

// Looks for the statements that name one file, by whatever links its directory is reached.
class Naming {
 public:
  Naming(const Config& config, const FileReader& reader, const std::string& path)
      : config_(config), reader_(reader), name_(name_in(path)), directory_(directory_of(path)) {}

  const Statement* find(std::span<const Statement> statements) const {
    for (const Statement& statement : statements) {
      for (const Word& word : statement.words.subspan(1))
        if (names(word.value)) return &statement;
      if (const Statement* inner = find(statement.children)) return inner;
    }
    return nullptr;
  }

 private:
  std::string directory_of(const std::string& path) const {
    const std::string directory = base::directory_of(path);
    return reader_.real_path(directory).value_or(directory);
  }

  bool names(std::string_view word) const {
    const std::string pattern(name_in(word));
    if (::fnmatch(pattern.c_str(), name_.c_str(), FNM_PERIOD) != 0) return false;
    const std::string path = config_.resolve(word);
    return directory_of(path) == directory_ ||
           ::fnmatch(base::directory_of(path).c_str(), directory_.c_str(), FNM_PATHNAME) == 0;
  }

  const Config& config_;
  const FileReader& reader_;
  const std::string name_, directory_;
};

}  // namespace

std::optional<std::string> named_by(const Config& config, const FileReader& reader,
                                    const std::string& path) {
  const Naming naming(config, reader, path);
  for (const auto& file : config.files())
    if (const Statement* found = naming.find(file->document.statements()))
      return fmt::format("{}:{}", file->path, found->line);
  return std::nullopt;
}

namespace {

// glob(3) takes a backslash before any byte away, also where nothing else is magic.
std::string without_backslashes(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) ++i;
    plain += text[i];
  }
  return plain;
}

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
  if (!is_magic(component)) return descend(without_backslashes(component));
  auto names = reader.list(prefix.empty() ? "." : prefix);
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
  const std::size_t root = pattern.starts_with('/') ? 1 : 0;
  TRY(expand(reader, pattern.substr(0, root), std::string_view(pattern).substr(root), paths));
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
