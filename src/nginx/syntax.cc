#include "nginx/syntax.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

namespace everseal::nginx {
namespace {

// NGX_CONF_BUFFER: nginx keeps the word it reads in a buffer of this many bytes.
constexpr std::size_t kBufferBytes = 4096;

constexpr bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

// Bytes that mean something inside a bare word; all others are skipped at once.
constexpr auto kBareStops = [] {
  std::array<bool, 256> stops{};
  for (unsigned char c : {' ', '\t', '\r', '\n', ';', '{', '\\', '$'}) stops[c] = true;
  return stops;
}();

// What a backslash before `c` makes of both, or 0: they stay as they are.
constexpr char escaped(char c) {
  switch (c) {
    case '"':
    case '\'':
    case '\\':
      return c;
    case 't':
      return '\t';
    case 'r':
      return '\r';
    case 'n':
      return '\n';
    default:
      return 0;
  }
}

// A copy of `things` that lives as long as the arena.
template <class Thing>
std::span<const Thing> keep(std::pmr::memory_resource& arena, std::span<const Thing> things) {
  static_assert(std::is_trivially_destructible_v<Thing>);
  if (things.empty()) return {};
  Thing* copy = static_cast<Thing*>(arena.allocate(things.size_bytes(), alignof(Thing)));
  std::ranges::uninitialized_copy(things, std::span(copy, things.size()));
  return {copy, things.size()};
}

// What ended the words of a statement.
enum class Stop { semicolon, open, close, end_of_file };

// ngx_conf_read_token and the block structure above it, over a text that is all in memory.
class Parser {
 public:
  Parser(std::string_view path, std::string_view text, std::pmr::memory_resource& arena)
      : path_(path), text_(text), arena_(arena) {}

  Result<std::span<const Statement>> parse();

 private:
  // A block whose "}" has not come yet.
  struct OpenBlock {
    Statement statement;
    std::size_t first_child = 0;  // in complete_
  };

  Result<Stop> read_words();
  Result<> read_bare_word();
  Result<> read_quoted_word();
  Result<> skip_comment();
  Result<> expect_end_of_quoted(std::size_t content);
  Statement start_statement();
  Result<> open_block(Statement statement);
  Result<> close_block();
  Result<> read_lua_body(std::size_t open);
  bool skip_lua_bracket(std::size_t& at) const;
  void skip_lua_string(std::size_t& at) const;

  std::string_view unescape(std::string_view raw);
  void add_word(Span span, Span content, bool has_backslash);
  std::size_t line_of(std::size_t offset);
  Result<> check_length(std::size_t start, std::size_t end, char quote) const;
  std::unexpected<Error> fail(std::size_t offset, std::string_view message) const;
  std::unexpected<Error> unexpected_byte(std::size_t offset, std::string_view wanted) const;
  std::unexpected<Error> unexpected_end() const;

  bool at_end() const { return at_ == text_.size(); }

  std::string_view path_;
  std::string_view text_;
  std::pmr::memory_resource& arena_;
  std::size_t at_ = 0;
  std::vector<Word> words_;          // of the statement being read
  std::size_t word_count_ = 0;       // of those before it
  std::vector<Statement> complete_;  // those of open blocks, outer ones first
  std::vector<OpenBlock> open_;      // inside each other
  std::size_t line_ = 1;             // of counted_
  std::size_t counted_ = 0;          // offset up to which lines are counted
};

std::unexpected<Error> Parser::fail(std::size_t offset, std::string_view message) const {
  std::string_view before = text_.substr(0, offset);
  std::size_t newline = before.rfind('\n');
  std::size_t column = offset - (newline == before.npos ? 0 : newline + 1) + 1;
  return base::invalid(fmt::format(
      "{}:{}:{}: {}", path_, std::count(before.begin(), before.end(), '\n') + 1, column, message));
}

std::unexpected<Error> Parser::unexpected_byte(std::size_t offset, std::string_view wanted) const {
  return fail(offset, fmt::format("unexpected \"{}\"; {}", text_[offset], wanted));
}

std::unexpected<Error> Parser::unexpected_end() const {
  return fail(text_.size(), "unexpected end of file, expecting \";\" or \"}\"");
}

std::size_t Parser::line_of(std::size_t offset) {
  line_ += static_cast<std::size_t>(
      std::count(text_.begin() + static_cast<std::ptrdiff_t>(counted_),
                 text_.begin() + static_cast<std::ptrdiff_t>(offset), '\n'));
  counted_ = offset;
  return line_;
}

// nginx refills its buffer when byte `start` + 4096 is wanted, and gives up if the word (or
// comment) that began at `start` still fills it. `end` is the first byte that no longer belongs to
// it.
Result<> Parser::check_length(std::size_t start, std::size_t end, char quote) const {
  if (end - start < kBufferBytes || start + kBufferBytes >= text_.size()) return {};
  if (quote != 0) {
    return fail(start, fmt::format("too long parameter, probably missing terminating \"{}\" "
                                   "character; at most {} bytes are read",
                                   quote, kBufferBytes - 1));
  }
  return fail(start, fmt::format("too long parameter \"{}...\" started; at most {} bytes are read",
                                 text_.substr(start, 10), kBufferBytes - 1));
}

std::string_view Parser::unescape(std::string_view raw) {
  char* const value = static_cast<char*>(arena_.allocate(raw.size(), 1));
  char* end = value;
  for (std::size_t i = 0; i < raw.size(); ++i) {
    const char meant = raw[i] == '\\' && i + 1 < raw.size() ? escaped(raw[i + 1]) : char();
    if (meant != 0) ++i;
    *end++ = meant != 0 ? meant : raw[i];
  }
  return {value, end};
}

void Parser::add_word(Span span, Span content, bool has_backslash) {
  std::string_view value = text_.substr(content.begin, content.size());
  if (has_backslash) value = unescape(value);
  words_.push_back({span, value});
}

Result<> Parser::skip_comment() {
  std::size_t start = at_;
  at_ = std::min(text_.find('\n', at_), text_.size());
  return check_length(start, at_, 0);
}

Result<> Parser::read_bare_word() {
  std::size_t start = at_;
  bool has_backslash = false;
  bool variable = false;  // the byte before was "$": a "{" belongs to the word
  for (; !at_end(); ++at_) {
    char c = text_[at_];
    if (!kBareStops[static_cast<unsigned char>(c)]) {
      variable = false;
      continue;
    }
    if (c == '{' && variable) continue;
    variable = c == '$';
    if (variable) continue;
    if (c != '\\') break;
    has_backslash = true;
    if (++at_ == text_.size()) break;
  }
  bool ends_statement = !at_end() && !is_blank(text_[at_]);
  TRY(check_length(start, ends_statement ? at_ : at_ + 1, 0));
  if (at_end()) return unexpected_end();
  add_word({start, at_}, {start, at_}, has_backslash);
  return {};
}

Result<> Parser::read_quoted_word() {
  char quote = text_[at_];
  std::size_t content = at_ + 1;
  bool has_backslash = false;
  for (++at_; !at_end() && text_[at_] != quote; ++at_) {
    if (text_[at_] != '\\') continue;
    has_backslash = true;
    if (++at_ == text_.size()) break;
  }
  TRY(check_length(content, at_, quote));
  if (at_end()) return unexpected_end();
  add_word({content - 1, at_ + 1}, {content, at_}, has_backslash);
  ++at_;
  return expect_end_of_quoted(content);
}

// After the closing quote only a blank, ";", "{" or ")" may follow.
Result<> Parser::expect_end_of_quoted(std::size_t content) {
  TRY(check_length(content, at_, 0));
  if (at_end()) return unexpected_end();
  char c = text_[at_];
  if (c == ';' || c == '{' || c == ')') return {};
  if (is_blank(c)) return check_length(content, at_ + 1, 0);
  return unexpected_byte(at_, "expected a blank, \";\", \"{\" or \")\" after a quoted word");
}

Result<Stop> Parser::read_words() {
  word_count_ += words_.size();
  words_.clear();
  while (!at_end()) {
    if (word_count_ + words_.size() > kMaxWords) {
      return fail(at_, fmt::format("at most {} words in one file are read", kMaxWords));
    }
    switch (char c = text_[at_]) {
      case ' ':
      case '\t':
      case '\r':
      case '\n':
        ++at_;
        break;
      case '#':
        TRY(skip_comment());
        break;
      case '"':
      case '\'':
        TRY(read_quoted_word());
        break;
      case ';':
      case '{':
        if (words_.empty()) return unexpected_byte(at_, "expected a directive");
        return c == ';' ? Stop::semicolon : Stop::open;
      case '}':
        if (!words_.empty()) {
          return unexpected_byte(at_, "expected \";\" before it, or \"{\"");
        }
        return Stop::close;
      default:
        TRY(read_bare_word());
    }
  }
  if (!words_.empty()) return unexpected_end();
  return Stop::end_of_file;
}

// Skips "[[…]]" or "[=[…]=]" at `at`; false if there is none.
bool Parser::skip_lua_bracket(std::size_t& at) const {
  std::size_t level_end = text_.find_first_not_of('=', at + 1);
  if (level_end == text_.npos || text_[level_end] != '[') return false;
  std::string closing = "]" + std::string(level_end - at - 1, '=') + "]";
  std::size_t found = text_.find(closing, level_end + 1);
  at = found == text_.npos ? text_.size() : found + closing.size();
  return true;
}

// Skips "…" or '…' at `at`.
void Parser::skip_lua_string(std::size_t& at) const {
  char quote = text_[at++];
  while (at < text_.size() && text_[at] != quote) at += text_[at] == '\\' ? 2 : 1;
  at = std::min(at + 1, text_.size());
}

// Leaves at_ on the brace that closes the body (ngx_http_lua_conf_read_lua_token).
Result<> Parser::read_lua_body(std::size_t open) {
  std::size_t depth = 1;
  std::size_t at = open + 1;
  while (at < text_.size()) {
    char c = text_[at];
    if (c == '{') {
      ++depth;
    } else if (c == '}') {
      if (--depth == 0) {
        at_ = at;
        return {};
      }
    } else if (c == '[') {
      if (skip_lua_bracket(at)) continue;
    } else if (c == '"' || c == '\'') {
      skip_lua_string(at);
      continue;
    } else if (c == '-' && text_.substr(at, 2) == "--") {
      at += 2;
      if (at < text_.size() && text_[at] == '[' && skip_lua_bracket(at)) continue;
      at = std::min(text_.find('\n', at), text_.size());
      continue;
    }
    ++at;
  }
  return fail(open,
              "unexpected end of file, expecting terminating characters for lua code block; "
              "expected \"}\"");
}

Statement Parser::start_statement() {
  Statement statement;
  statement.words = keep<Word>(arena_, words_);
  statement.span.begin = words_.front().span.begin;
  statement.line = line_of(statement.span.begin);
  return statement;
}

// at_ is on the "{".
Result<> Parser::open_block(Statement statement) {
  const std::size_t open = at_++;
  statement.body.begin = at_;
  if (!statement.name().ends_with("_by_lua_block")) {
    if (open_.size() == kMaxDepth) {
      return fail(open,
                  fmt::format("unexpected \"{{\"; at most {} blocks inside each other are read",
                              kMaxDepth));
    }
    statement.ending = Ending::block;
    open_.push_back({statement, complete_.size()});
    return {};
  }
  statement.ending = Ending::raw_body;
  TRY(read_lua_body(open));
  statement.body.end = at_;
  statement.span.end = ++at_;
  complete_.push_back(statement);
  return {};
}

// at_ is on the "}".
Result<> Parser::close_block() {
  if (open_.empty()) return unexpected_byte(at_, "no block is open");
  auto [statement, first_child] = open_.back();
  open_.pop_back();
  statement.children = keep(arena_, std::span<const Statement>(complete_).subspan(first_child));
  complete_.resize(first_child);
  statement.body.end = at_;
  statement.span.end = ++at_;
  complete_.push_back(statement);
  return {};
}

Result<std::span<const Statement>> Parser::parse() {
  while (true) {
    switch (TRY(read_words())) {
      case Stop::semicolon:
        complete_.push_back(start_statement());
        complete_.back().span.end = ++at_;
        break;
      case Stop::open:
        TRY(open_block(start_statement()));
        break;
      case Stop::close:
        TRY(close_block());
        break;
      case Stop::end_of_file:
        if (open_.empty()) return keep<Statement>(arena_, complete_);
        return fail(text_.size(), "unexpected end of file, expecting \"}\"");
    }
  }
}

}  // namespace

Result<Document> Document::parse(std::string_view path, std::string text) {
  Document document;
  document.storage_ = std::make_unique<Storage>(std::move(text));
  Parser parser(path, document.text(), document.storage_->arena);
  document.statements_ = TRY(parser.parse());
  return document;
}

}  // namespace everseal::nginx
