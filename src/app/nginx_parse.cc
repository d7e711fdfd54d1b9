#include "app/nginx_parse.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <deque>
#include <optional>
#include <unordered_map>

#include "nginx/config.h"
#include "nginx/syntax.h"
#include "nginx/trivia.h"

namespace everseal::app {
namespace {

using nginx::Document;
using nginx::Ending;
using nginx::Span;
using nginx::Statement;

// What --combine puts into each other beyond these is refused: files may include each other over
// and over.
constexpr std::size_t kMaxStatements = 2'000'000;
constexpr std::size_t kMaxOpenFiles = 100;

// Counts lines while it is asked about rising offsets.
class LineCounter {
 public:
  std::size_t line_of(std::string_view text, std::size_t offset) {
    if (offset < offset_) *this = LineCounter();
    const std::string_view passed = text.substr(offset_, offset - offset_);
    line_ += static_cast<std::size_t>(std::ranges::count(passed, '\n'));
    offset_ = offset;
    return line_;
  }

 private:
  std::size_t offset_ = 0;
  std::size_t line_ = 1;
};

// One element of "config".
struct File {
  std::string path;
  std::optional<Document> document{};  // none if it cannot be read
  LineCounter lines{};                 // of its comments
  Json errors = Json::array();
  Json parsed = Json::array();
};

// The line that an error of Document::parse(path, …) names.
Json line_of(const Error& error, const std::string& path) {
  if (!error.message.starts_with(path + ":")) return nullptr;
  std::size_t line = 0;
  const char* const number = error.message.data() + path.size() + 1;
  std::from_chars(number, error.message.data() + error.message.size(), line);
  return line > 0 ? Json(line) : Json(nullptr);
}

std::string directory_prefix(const std::string& path) {
  return path.substr(0, path.rfind('/') + 1);
}

// crossplane gives the condition of an `if` without its parentheses.
void take_parentheses_away(std::vector<std::string>& arguments) {
  if (arguments.empty() || !arguments.front().starts_with('(') || !arguments.back().ends_with(')'))
    return;
  arguments.front().erase(0, 1);
  arguments.back().pop_back();
  if (arguments.front().empty()) arguments.erase(arguments.begin());
  if (!arguments.empty() && arguments.back().empty()) arguments.pop_back();
}

std::vector<std::string> arguments_of(const Statement& statement, const Document& document) {
  std::vector<std::string> arguments;
  for (const nginx::Word& word : statement.words.subspan(1)) arguments.emplace_back(word.value);
  if (statement.name() == "if") take_parentheses_away(arguments);
  if (statement.ending == Ending::raw_body) arguments.emplace_back(document.raw(statement.body));
  return arguments;
}

class Payload {
 public:
  Payload(const FileReader& reader, const ParseOptions& options)
      : reader_(reader), options_(options) {}

  Json build();

 private:
  void add_main(const std::string& path);
  File& open(const std::string& path);
  void parse(File& file);

  // Where statements are put: the file they are in, the one whose "parsed" this is.
  struct Place {
    File& file;
    File& into;
  };
  Result<> add_block(std::span<const Statement> statements, Span body, Place place, Json& into);
  Result<> add_statement(const Statement& statement, Place place, Json& into);
  Result<> add_include(const Statement& statement, Place place, Json& json, Json& into);
  Result<> add_combined(const std::string& path, std::size_t line, Place place, Json& into);
  void add_comments(Span gap, std::optional<std::size_t> line, Place place, Json& into);
  Json describe(std::string_view name, std::size_t line, Json arguments, const File& file) const;

  // The files that an include names. Errors: none such.
  Result<std::vector<std::string>> included_paths(const Statement& statement) const;
  Result<> fail(const Place& place, Json line, const std::string& message);

  const FileReader& reader_;
  const ParseOptions& options_;
  std::deque<File> files_;  // of "config", or all that were read
  std::unordered_map<std::string, std::size_t> index_;
  std::vector<std::size_t> mains_;
  std::vector<const File*> open_;  // combined into each other
  std::string directory_;          // of the main file, with its slash
  std::size_t count_ = 0;
  Json errors_ = Json::array();
};

// Tells it in the file and in the whole; with --no-catch it also ends the file.
Result<> Payload::fail(const Place& place, Json line, const std::string& message) {
  errors_.push_back({{"file", place.file.path}, {"error", message}, {"line", line}});
  place.into.errors.push_back({{"error", message}, {"line", std::move(line)}});
  if (options_.catch_errors) return {};
  return base::invalid(message);
}

File& Payload::open(const std::string& path) {
  const auto [found, added] = index_.try_emplace(path, files_.size());
  if (!added) return files_[found->second];
  File& file = files_.emplace_back(path);
  auto text = reader_.read(path);
  auto document = text ? Document::parse(path, *std::move(text))
                       : Result<Document>(std::unexpected(std::move(text).error()));
  if (document) {
    file.document = *std::move(document);
  } else {
    static_cast<void>(
        fail({file, file}, line_of(document.error(), path), document.error().message));
  }
  return file;
}

void Payload::parse(File& file) {
  if (!file.document) return;
  open_ = {&file};
  Json parsed = Json::array();
  const Span all{0, file.document->text().size()};
  if (add_block(file.document->statements(), all, {file, file}, parsed))
    file.parsed = std::move(parsed);
}

Json Payload::describe(std::string_view name, std::size_t line, Json arguments,
                       const File& file) const {
  Json json = {{"directive", name}};
  if (options_.combine) json["file"] = file.path;
  json["line"] = line;
  json["args"] = std::move(arguments);
  return json;
}

// Comments among the words of a statement follow it and have its line.
void Payload::add_comments(Span gap, std::optional<std::size_t> line, Place place, Json& into) {
  if (!options_.include_comments) return;
  const Document& document = *place.file.document;
  for (const Span& comment : comments_in(document, gap)) {
    std::string_view text = document.raw({comment.begin + 1, comment.end});
    if (text.ends_with('\r')) text.remove_suffix(1);
    const std::size_t own = place.file.lines.line_of(document.text(), comment.begin);
    Json json = describe("#", line.value_or(own), Json::array(), place.file);
    json["comment"] = text;
    into.push_back(std::move(json));
  }
}

Result<> Payload::add_block(std::span<const Statement> statements, Span body, Place place,
                            Json& into) {
  std::size_t at = body.begin;
  for (const Statement& statement : statements) {
    add_comments({at, statement.span.begin}, std::nullopt, place, into);
    at = statement.span.end;
    if (!options_.ignore.contains(std::string(statement.name())))
      TRY(add_statement(statement, place, into));
  }
  add_comments({at, body.end}, std::nullopt, place, into);
  return {};
}

Result<> Payload::add_statement(const Statement& statement, Place place, Json& into) {
  if (++count_ > kMaxStatements) {
    const auto message = fmt::format("more than {} directives are included", kMaxStatements);
    static_cast<void>(fail(place, statement.line, message));
    return base::invalid(message);
  }
  const Document& document = *place.file.document;
  Json json =
      describe(statement.name(), statement.line, arguments_of(statement, document), place.file);
  if (statement.name() == "include" && statement.ending == Ending::semicolon &&
      !options_.single_file) {
    return add_include(statement, place, json, into);
  }
  if (statement.ending == Ending::block) {
    Json block = Json::array();
    TRY(add_block(statement.children, statement.body, place, block));
    json["block"] = std::move(block);
  }
  into.push_back(std::move(json));
  std::size_t at = statement.words.front().span.end;
  for (const nginx::Word& word : statement.words) {
    add_comments({at, word.span.begin}, statement.line, place, into);
    at = word.span.end;
  }
  add_comments(gap_before_ending(statement), statement.line, place, into);
  return {};
}

Result<std::vector<std::string>> Payload::included_paths(const Statement& statement) const {
  if (statement.words.size() != 2)
    return base::invalid("invalid number of arguments in \"include\" directive");
  std::string pattern(statement.words[1].value);
  if (!pattern.starts_with('/')) pattern = directory_ + pattern;
  if (pattern.find_first_of("*?[") != pattern.npos) return nginx::glob(reader_, pattern);
  TRY(reader_.real_path(pattern));
  return std::vector{std::move(pattern)};
}

Result<> Payload::add_include(const Statement& statement, Place place, Json& json, Json& into) {
  Json indexes = Json::array();
  const auto paths = included_paths(statement);
  if (!paths) TRY(fail(place, statement.line, paths.error().message));
  for (const std::string& path : paths.value_or(std::vector<std::string>())) {
    if (options_.combine) {
      TRY(add_combined(path, statement.line, place, into));
    } else {
      open(path);
      indexes.push_back(index_.at(path));
    }
  }
  if (options_.combine) return {};
  json["includes"] = std::move(indexes);
  into.push_back(std::move(json));
  return {};
}

Result<> Payload::add_combined(const std::string& path, std::size_t line, Place place, Json& into) {
  const bool is_new = !index_.contains(path);
  File& file = open(path);
  if (!file.document) {
    if (is_new) std::ranges::copy(file.errors, std::back_inserter(place.into.errors));
    return {};
  }
  if (std::ranges::find(open_, &file) != open_.end())
    return fail(place, line, fmt::format("\"{}\" is included by itself", path));
  if (open_.size() == kMaxOpenFiles)
    return fail(place, line, fmt::format("more than {} files inside each other", kMaxOpenFiles));
  open_.push_back(&file);
  const Span all{0, file.document->text().size()};
  TRY(add_block(file.document->statements(), all, {file, place.into}, into));
  open_.pop_back();
  return {};
}

// Without --combine each file found on the way joins the end of the list.
void Payload::add_main(const std::string& path) {
  directory_ = directory_prefix(path);
  std::size_t next = files_.size();
  File& main = open(path);
  mains_.push_back(index_.at(path));
  if (options_.combine) return parse(main);
  for (; next < files_.size(); ++next) parse(files_[next]);
}

Json Payload::build() {
  for (const std::string& path : options_.files) add_main(path);
  Json config = Json::array();
  for (std::size_t i = 0; i < files_.size(); ++i) {
    File& file = files_[i];
    if (options_.combine && std::ranges::find(mains_, i) == mains_.end()) continue;
    config.push_back({{"file", file.path},
                      {"status", file.errors.empty() ? "ok" : "failed"},
                      {"errors", std::move(file.errors)},
                      {"parsed", std::move(file.parsed)}});
  }
  return {{"status", errors_.empty() ? "ok" : "failed"},
          {"errors", std::move(errors_)},
          {"config", std::move(config)}};
}

}  // namespace

Json parse_payload(const FileReader& reader, const ParseOptions& options) {
  return Payload(reader, options).build();
}

}  // namespace everseal::app
