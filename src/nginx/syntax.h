// What nginx's tokenizer sees in one file, kept as ranges of the file's bytes.
#pragma once

#include <cstddef>
#include <memory>
#include <memory_resource>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace everseal::nginx {

// A range of a file's bytes: [begin, end).
struct Span {
  std::size_t begin = 0;
  std::size_t end = 0;
  std::size_t size() const { return end - begin; }
};

// A word as written, with its quotes and backslashes, and the value nginx makes of it.
struct Word {
  Span span;
  std::string_view value;  // lives as long as the Document
};

// How a statement ends.
enum class Ending {
  semicolon,
  block,     // { children }
  raw_body,  // { code }, of a directive whose name ends in _by_lua_block: never looked into
};

// A directive with its arguments and, if it is a block, what is in it. Lives as long as the
// Document.
struct Statement {
  std::span<const Word> words{};  // at least one
  Ending ending = Ending::semicolon;
  Span span{};           // from the first word through the ';' or the closing '}'
  Span body{};           // of a block or raw body: between its braces
  std::size_t line = 0;  // of the first word, from 1
  std::span<const Statement> children{};

  std::string_view name() const { return words.front().value; }
};

// Blocks inside each other deeper than this are refused: whoever walks the tree may recurse.
inline constexpr std::size_t kMaxDepth = 500;

// Files with more words are refused: a word of one byte takes a hundred times its room in memory.
inline constexpr std::size_t kMaxWords = 4'000'000;

// One parsed file: its text and the statements in it, about six times the text in memory.
// Move-only; statements, their addresses and their values stay valid for as long as the Document
// they came from, or the one it was moved to.
class Document {
 public:
  // Reads `text` as ngx_conf_read_token does (src/core/ngx_conf_file.c, 1.22 to 1.31) and Lua
  // bodies as lua-nginx-module does. Any directive name is accepted. Errors: invalid,
  // "PATH:LINE:COLUMN: what nginx says; what was expected".
  static Result<Document> parse(std::string_view path, std::string text);

  const std::string& text() const { return storage_->text; }
  std::span<const Statement> statements() const { return statements_; }

  std::string_view raw(Span span) const {
    return std::string_view(text()).substr(span.begin, span.size());
  }

 private:
  // What statements point into: never moved, freed as a whole.
  struct Storage {
    explicit Storage(std::string bytes) : text(std::move(bytes)), arena(4 * text.size() + 64) {}
    const std::string text;
    std::pmr::monotonic_buffer_resource arena;
  };

  std::unique_ptr<Storage> storage_;
  std::span<const Statement> statements_;
};

}  // namespace everseal::nginx
