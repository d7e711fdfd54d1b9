// Where new lines go and what they look like: indentation, line endings and columns of neighbours.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "nginx/config.h"
#include "nginx/patch.h"

namespace everseal::nginx {

// New statements for one block, collected and then turned into patches of the block's file. Only
// statements written in that file can be neighbours. The block must outlive it.
class BlockDraft {
 public:
  explicit BlockDraft(const Directive& block);

  // A statement in the style of `like`, its arguments in the same column.
  std::string line(std::string_view name, std::string_view arguments,
                   const Statement* like = nullptr) const;

  void add_first(std::string line) { first_.push_back(std::move(line)); }
  // Before all others that are first.
  void add_leading(std::string line) { first_.insert(first_.begin(), std::move(line)); }
  // After `neighbour`; at the start of the block if it is null.
  void add_after(const Statement* neighbour, std::string line);
  void replace(Span span, std::string text) { patches_.push_back({span.begin, span.size(), text}); }
  // Removes a statement, with its line if nothing else is on it.
  void remove(const Statement& statement);
  // Puts a whole block (lines without indentation, "\t" for each deeper level) before this one.
  void put_before(const std::vector<std::string>& lines);

  // A direct child written in the block's own file, the last that `accept` takes, or null.
  template <class Accept>
  const Statement* last_child(Accept accept) const {
    const Statement* found = nullptr;
    for (const Statement& child : block_->statement->children) {
      if (accept(child)) found = &child;
    }
    return found;
  }

  const Directive& block() const { return *block_; }
  std::vector<Patch> patches() const;

 private:
  std::string_view text() const { return block_->file->document.text(); }
  Patch insertion(std::size_t at, const std::vector<std::string>& lines) const;

  const Directive* block_;
  std::string eol_;
  std::string outer_;   // indentation of the block
  std::string indent_;  // of what is in it
  std::vector<std::string> first_;
  std::map<const Statement*, std::vector<std::string>> after_;
  std::vector<Patch> patches_;
};

// Whether the block itself, not a file it includes, holds the directive (which may be null).
bool is_own(const Directive& block, const Directive* directive);

// `value` as one word of the configuration, quoted if it must be.
std::string as_word(std::string_view value);

}  // namespace everseal::nginx
