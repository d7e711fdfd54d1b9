// A whole configuration: the main file with everything it includes, in nginx's order.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "nginx/syntax.h"

namespace everseal::nginx {

// A configuration file, read once however often it is included.
struct ConfigFile {
  std::string path;       // as nginx names it
  std::string real_path;  // without symlinks: what an edit must replace
  int inclusions = 0;     // how many places include it; 1 for the main file
  Document document;
};

// A statement at its place in the folded configuration: an include is replaced by what it includes.
struct Directive {
  const ConfigFile* file = nullptr;
  const Statement* statement = nullptr;
  std::vector<Directive> children;

  std::string_view name() const { return statement->name(); }
  std::size_t argument_count() const { return statement->words.size() - 1; }
  // Argument from 1; empty if there are not so many.
  std::string_view argument(std::size_t index) const;
  // "FILE:LINE".
  std::string where() const;
};

// The configuration as nginx reads it. Move-only; directives and files keep their addresses.
class Config {
 public:
  // Reads `main_path` (absolute) and what it includes: paths relative to the main file's directory,
  // wildcards as glob(3) sorted bytewise (nginx.org, "include"). The lines of types, map, geo,
  // charset_map and split_clients are data, as they are for nginx; the first three may include.
  // Errors: invalid for syntax, cycles, directories and too much of it, those of reading for files,
  // with "FILE:LINE: " of the statement at fault.
  static Result<Config> load(const FileReader& reader, const std::string& main_path);

  const std::string& main_path() const { return files_.front()->path; }
  // Where relative paths in the configuration start.
  std::string directory() const;
  // `path` as nginx resolves it in a directive.
  std::string resolve(std::string_view path) const;

  // Every file once, in the order of first inclusion; the main file is first.
  const std::vector<std::unique_ptr<ConfigFile>>& files() const { return files_; }
  const std::vector<Directive>& directives() const { return directives_; }

 private:
  friend class Loader;
  std::vector<std::unique_ptr<ConfigFile>> files_;
  std::vector<Directive> directives_;
};

// "FILE:LINE" of the first statement that names the file `path` (absolute): includes it, also by a
// wildcard, or has it as an argument. Nullopt if none does.
std::optional<std::string> named_by(const Config& config, const FileReader& reader,
                                    const std::string& path);

// The paths that match a pattern, as glob(3) with flags 0: sorted bytewise, "*" does not match a
// leading dot; a relative pattern gives relative paths. A directory that we may not read is an
// error here: nginx, which is root, reads it.
Result<std::vector<std::string>> glob(const FileReader& reader, const std::string& pattern);

// Files as they would be: some texts laid over another reader, found by path or by real path.
// `below` must outlive it.
class OverlayReader : public FileReader {
 public:
  OverlayReader(const FileReader& below, std::map<std::string, std::string> texts)
      : below_(below), texts_(std::move(texts)) {}

  Result<std::string> read(const std::string& path) const override;
  Result<base::FileStatus> status(const std::string& path) const override;
  Result<std::string> real_path(const std::string& path) const override;
  Result<std::string> read_link(const std::string& path) const override;
  Result<std::vector<std::string>> list(const std::string& directory) const override;

 private:
  // The laid-over text that `path` leads to, or null.
  const std::string* find(const std::string& path) const;

  const FileReader& below_;
  std::map<std::string, std::string> texts_;
};

}  // namespace everseal::nginx
