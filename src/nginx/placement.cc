#include "nginx/placement.h"

#include <algorithm>

namespace everseal::nginx {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

std::size_t line_begin(std::string_view text, std::size_t at) {
  std::size_t newline = text.substr(0, at).rfind('\n');
  return newline == text.npos ? 0 : newline + 1;
}

// Past the line feed of the line `at` is on.
std::size_t line_end(std::string_view text, std::size_t at) {
  std::size_t newline = text.find('\n', at);
  return newline == text.npos ? text.size() : newline + 1;
}

bool all_blank(std::string_view text) { return std::ranges::all_of(text, is_blank); }

// Blanks and perhaps a comment up to the end of the line.
bool line_ends_at(std::string_view text, std::size_t at) {
  while (at < text.size() && is_blank(text[at])) ++at;
  return at == text.size() || text[at] == '\n' || text[at] == '#';
}

// The blanks before `at` if nothing else is before it on its line.
bool begins_line(std::string_view text, std::size_t at) {
  std::size_t begin = line_begin(text, at);
  return all_blank(text.substr(begin, at - begin));
}

std::string indentation(std::string_view text, std::size_t at) {
  std::size_t begin = line_begin(text, at);
  std::size_t end = begin;
  while (end < at && is_blank(text[end])) ++end;
  return std::string(text.substr(begin, end - begin));
}

std::string inner_indentation(const Directive& block, const std::string& outer) {
  std::string_view text = block.file->document.text();
  for (const Statement& child : block.statement->children) {
    if (!begins_line(text, child.span.begin)) continue;
    std::string inner = indentation(text, child.span.begin);
    // The statement may also stand on the line of the block itself.
    if (line_begin(text, child.span.begin) > block.statement->span.begin) return inner;
  }
  return outer + (outer.contains('\t') ? "\t" : "    ");
}

}  // namespace

BlockDraft::BlockDraft(const Directive& block) : block_(&block) {
  std::size_t newline = text().find('\n');
  bool crlf = newline != text().npos && newline > 0 && text()[newline - 1] == '\r';
  eol_ = crlf ? "\r\n" : "\n";
  outer_ = indentation(text(), block.statement->span.begin);
  indent_ = inner_indentation(block, outer_);
}

std::string BlockDraft::line(std::string_view name, std::string_view arguments,
                             const Statement* like) const {
  std::string gap = " ";
  if (like != nullptr && like->words.size() > 1) {
    const Span& first = like->words[0].span;
    std::string_view between = text().substr(first.end, like->words[1].span.begin - first.end);
    if (between.size() > 1 && between.find_first_not_of(' ') == between.npos) {
      std::size_t column = first.size() + between.size();
      gap.assign(column > name.size() ? column - name.size() : 1, ' ');
    } else if (!between.empty() && between.find_first_not_of('\t') == between.npos) {
      gap = between;
    }
  }
  return std::string(name) + gap + std::string(arguments) + ";";
}

void BlockDraft::add_after(const Statement* neighbour, std::string line) {
  (neighbour == nullptr ? first_ : after_[neighbour]).push_back(std::move(line));
}

void BlockDraft::remove(const Statement& statement) {
  Span span = statement.span;
  bool alone = begins_line(text(), span.begin);
  std::size_t after = span.end;
  while (after < text().size() && is_blank(text()[after])) ++after;
  alone = alone && after < text().size() && text()[after] == '\n';
  if (alone) span = {line_begin(text(), span.begin), after + 1};
  replace(span, "");
}

void BlockDraft::put_before(const std::vector<std::string>& lines) {
  std::size_t at = block_->statement->span.begin;
  bool alone = begins_line(text(), at);
  std::string unit = indent_.starts_with(outer_) && indent_.size() > outer_.size()
                         ? indent_.substr(outer_.size())
                         : "    ";
  std::string block = alone ? "" : eol_;
  for (std::string_view line : lines) {
    block += outer_;
    for (; line.starts_with('\t'); line.remove_prefix(1)) block += unit;
    block += line;
    block += eol_;
  }
  if (!alone) block += outer_;
  patches_.push_back({alone ? line_begin(text(), at) : at, 0, block});
}

// `at` is just behind a ';' or '{'. Lines go after the rest of its line, or break the line there.
Patch BlockDraft::insertion(std::size_t at, const std::vector<std::string>& lines) const {
  std::string inserted;
  for (const std::string& line : lines) inserted += indent_ + line + eol_;
  if (line_ends_at(text(), at)) return {line_end(text(), at), 0, inserted};
  std::size_t next = at;
  while (is_blank(text()[next])) ++next;
  bool closing = next + 1 == block_->statement->span.end;
  return {at, next - at, eol_ + inserted + (closing ? outer_ : indent_)};
}

std::vector<Patch> BlockDraft::patches() const {
  std::vector<Patch> patches;
  if (!first_.empty()) patches.push_back(insertion(block_->statement->body.begin, first_));
  patches.insert(patches.end(), patches_.begin(), patches_.end());
  for (const auto& [neighbour, lines] : after_) {
    patches.push_back(insertion(neighbour->span.end, lines));
  }
  return patches;
}

bool is_own(const Directive& block, const Directive* directive) {
  if (directive == nullptr) return false;
  const auto& children = block.statement->children;
  return std::ranges::any_of(
      children, [&](const Statement& child) { return &child == directive->statement; });
}

std::string as_word(std::string_view value) {
  bool plain = !value.empty() && value.find_first_of(" \t\r\n;{}\"'#\\$") == value.npos;
  if (plain) return std::string(value);
  std::string word = "\"";
  for (char c : value) {
    if (c == '"' || c == '\\') word += '\\';
    word += c;
  }
  return word + '"';
}

}  // namespace everseal::nginx
