#include "nginx/trivia.h"

#include <fmt/format.h>

#include <algorithm>

namespace everseal::nginx {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

// Writes a document from the first byte to the last.
class Composer {
 public:
  explicit Composer(const Document& document) : document_(document) {
    bytes_.reserve(document.text().size());
  }

  Result<std::string> compose() {
    TRY(block(document_.statements()));
    TRY(trivia(document_.text().size()));
    return std::move(bytes_);
  }

 private:
  Result<> block(std::span<const Statement> statements) {
    for (const Statement& statement : statements) TRY(write(statement));
    return {};
  }

  Result<> write(const Statement& statement) {
    for (const Word& word : statement.words) {
      TRY(trivia(word.span.begin));
      copy(word.span);
    }
    TRY(trivia(gap_before_ending(statement).end));
    if (statement.ending == Ending::semicolon) return mark(';');
    TRY(mark('{'));
    if (statement.ending == Ending::raw_body) copy(statement.body);
    TRY(block(statement.children));
    TRY(trivia(statement.body.end));
    return mark('}');
  }

  // The blanks and comments from where we are to `end`.
  Result<> trivia(std::size_t end) {
    const Span gap{bytes_.size(), end};
    if (end < gap.begin || end > document_.text().size()) return lost(end);
    std::size_t at = gap.begin;
    for (const Span& comment : comments_in(document_, gap)) {
      TRY(blanks({at, comment.begin}));
      at = comment.end;
    }
    TRY(blanks({at, end}));
    copy(gap);
    return {};
  }

  Result<> blanks(Span gap) const {
    const std::size_t other = document_.raw(gap).find_first_not_of(kBlanks);
    if (other == std::string_view::npos) return {};
    return lost(gap.begin + other);
  }

  Result<> mark(char c) {
    if (bytes_.size() >= document_.text().size() || document_.text()[bytes_.size()] != c)
      return lost(bytes_.size());
    bytes_ += c;
    return {};
  }

  void copy(Span span) { bytes_ += document_.raw(span); }

  static std::unexpected<Error> lost(std::size_t offset) {
    return base::internal(fmt::format("byte {} of the file is in no statement", offset));
  }

  const Document& document_;
  std::string bytes_;  // the text up to here
};

}  // namespace

std::vector<Span> comments_in(const Document& document, Span gap) {
  const std::string_view text = document.raw({0, gap.end});
  std::vector<Span> comments;
  std::size_t at = text.find('#', gap.begin);
  while (at != text.npos) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    comments.push_back({at, end});
    at = text.find('#', end);
  }
  return comments;
}

Span gap_before_ending(const Statement& statement) {
  const std::size_t end =
      statement.ending == Ending::semicolon ? statement.span.end - 1 : statement.body.begin - 1;
  return {statement.words.back().span.end, end};
}

Result<std::string> compose(const Document& document) { return Composer(document).compose(); }

}  // namespace everseal::nginx
