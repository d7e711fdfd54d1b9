#include "nginx/syntax.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

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

std::string unescape(std::string_view raw) {
  std::string value;
  value.reserve(raw.size());
  for (std::size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] != '\\' || i + 1 == raw.size()) {
      value += raw[i];
      continue;
    }
    switch (raw[++i]) {
      case '"':
      case '\'':
      case '\\':
        value += raw[i];
        break;
      case 't':
        value += '\t';
        break;
      case 'r':
        value += '\r';
        break;
      case 'n':
        value += '\n';
        break;
      default:
        value += '\\';
        value += raw[i];
    }
  }
  return value;
}

// What ended the words of a statement.
enum class Stop { semicolon, open, close, end_of_file };

// ngx_conf_read_token and the block structure above it, over a text that is all in memory.
class Parser {
 public:
  Parser(std::string_view path, std::string_view text, std::deque<std::string>& unescaped)
      : path_(path), text_(text), unescaped_(unescaped) {}

  Result<> parse_block(std::vector<Statement>& into, std::size_t depth);

 private:
  Result<Stop> read_words();
  Result<> read_bare_word();
  Result<> read_quoted_word();
  Result<> skip_comment();
  Result<> expect_end_of_quoted(std::size_t content);
  Result<> finish(Statement& statement, Stop stop, std::size_t depth);
  Result<> read_lua_body(std::size_t open);
  bool skip_lua_bracket(std::size_t& at) const;
  void skip_lua_string(std::size_t& at) const;

  void add_word(Span span, Span content, bool escaped);
  std::size_t line_of(std::size_t offset);
  Result<> check_length(std::size_t start, std::size_t end, char quote) const;
  std::unexpected<Error> fail(std::size_t offset, std::string_view message) const;
  std::unexpected<Error> unexpected_byte(std::size_t offset, std::string_view wanted) const;
  std::unexpected<Error> unexpected_end() const;

  bool at_end() const { return at_ == text_.size(); }

  std::string_view path_;
  std::string_view text_;
  std::deque<std::string>& unescaped_;
  std::size_t at_ = 0;
  std::vector<Word> words_;  // of the statement being read
  std::size_t line_ = 1;     // of counted_
  std::size_t counted_ = 0;  // offset up to which lines are counted
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

void Parser::add_word(Span span, Span content, bool escaped) {
  std::string_view value = text_.substr(content.begin, content.size());
  if (escaped) value = unescaped_.emplace_back(unescape(value));
  words_.push_back({span, value});
}

Result<> Parser::skip_comment() {
  std::size_t start = at_;
  at_ = std::min(text_.find('\n', at_), text_.size());
  return check_length(start, at_, 0);
}

Result<> Parser::read_bare_word() {
  std::size_t start = at_;
  bool escaped = false;
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
    escaped = true;
    if (++at_ == text_.size()) break;
  }
  bool ends_statement = !at_end() && !is_blank(text_[at_]);
  TRY(check_length(start, ends_statement ? at_ : at_ + 1, 0));
  if (at_end()) return unexpected_end();
  add_word({start, at_}, {start, at_}, escaped);
  return {};
}

Result<> Parser::read_quoted_word() {
  char quote = text_[at_];
  std::size_t content = at_ + 1;
  bool escaped = false;
  for (++at_; !at_end() && text_[at_] != quote; ++at_) {
    if (text_[at_] != '\\') continue;
    escaped = true;
    if (++at_ == text_.size()) break;
  }
  TRY(check_length(content, at_, quote));
  if (at_end()) return unexpected_end();
  add_word({content - 1, at_ + 1}, {content, at_}, escaped);
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
  words_.clear();
  while (!at_end()) {
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

Result<> Parser::finish(Statement& statement, Stop stop, std::size_t depth) {
  if (stop == Stop::semicolon) {
    ++at_;
    return {};
  }
  std::size_t open = at_++;
  if (statement.name().ends_with("_by_lua_block")) {
    statement.ending = Ending::raw_body;
    TRY(read_lua_body(open));
  } else {
    statement.ending = Ending::block;
    if (depth == kMaxDepth) {
      return fail(open,
                  fmt::format("unexpected \"{{\"; at most {} blocks inside each other are read",
                              kMaxDepth));
    }
    TRY(parse_block(statement.children, depth + 1));
  }
  statement.body = {open + 1, at_};
  ++at_;
  return {};
}

// Leaves at_ on the "}" that ends the block, or at the end of the file at depth 0.
Result<> Parser::parse_block(std::vector<Statement>& into, std::size_t depth) {
  while (true) {
    Stop stop = TRY(read_words());
    if (stop == Stop::end_of_file) {
      if (depth == 0) return {};
      return fail(text_.size(), "unexpected end of file, expecting \"}\"");
    }
    if (stop == Stop::close) {
      if (depth > 0) return {};
      return unexpected_byte(at_, "no block is open");
    }
    Statement& statement = into.emplace_back();
    statement.words.assign(words_.begin(), words_.end());
    statement.span.begin = statement.words.front().span.begin;
    statement.line = line_of(statement.span.begin);
    TRY(finish(statement, stop, depth));
    statement.span.end = at_;
  }
}

}  // namespace

Result<Document> Document::parse(std::string_view path, std::string text) {
  Document document;
  document.text_ = std::make_unique<const std::string>(std::move(text));
  Parser parser(path, *document.text_, document.unescaped_);
  TRY(parser.parse_block(document.statements_, 0));
  return document;
}

}  // namespace everseal::nginx
