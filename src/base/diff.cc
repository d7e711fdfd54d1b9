#include "base/diff.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace everseal::base {
namespace {

using Lines = std::vector<std::string_view>;

// Beyond this many differing lines one hunk replaces all: the table of the search is quadratic.
constexpr int kMaxDistance = 4000;
constexpr std::size_t kContext = 3;

// Which lines of two texts are not in their longest common subsequence.
struct Marks {
  std::vector<bool> before, after;
};

// Myers' greedy search: furthest[d][k + d] is how far in `before` a path of d edits gets on
// diagonal k (before - after). Empty if the distance is too large.
std::vector<std::vector<int>> furthest_reaching(const Lines& before, const Lines& after) {
  const int n = static_cast<int>(before.size()), m = static_cast<int>(after.size());
  std::vector<std::vector<int>> furthest;
  for (int d = 0; d <= std::min(n + m, kMaxDistance); ++d) {
    std::vector<int>& row = furthest.emplace_back(2 * d + 1);
    for (int k = -d; k <= d; k += 2) {
      int x = 0;
      if (d > 0) {
        const std::vector<int>& last = furthest[d - 1];
        const auto at = [&](int diagonal) { return last[diagonal + d - 1]; };
        x = k == -d || (k != d && at(k - 1) < at(k + 1)) ? at(k + 1) : at(k - 1) + 1;
      }
      while (x < n && x - k < m && before[x] == after[x - k]) ++x;
      row[k + d] = x;
      if (x >= n && x - k >= m) return furthest;
    }
  }
  return {};
}

Marks mark_changes(const Lines& before, const Lines& after) {
  const auto furthest = furthest_reaching(before, after);
  if (furthest.empty())
    return {std::vector<bool>(before.size(), true), std::vector<bool>(after.size(), true)};
  Marks marks{std::vector<bool>(before.size()), std::vector<bool>(after.size())};
  int x = static_cast<int>(before.size()), y = static_cast<int>(after.size());
  for (int d = static_cast<int>(furthest.size()) - 1; d > 0; --d) {
    const auto at = [&](int diagonal) { return furthest[d - 1][diagonal + d - 1]; };
    const int k = x - y;
    const bool inserted = k == -d || (k != d && at(k - 1) < at(k + 1));
    x = at(inserted ? k + 1 : k - 1);
    y = x - (inserted ? k + 1 : k - 1);
    if (inserted)
      marks.after[y] = true;
    else
      marks.before[x] = true;
  }
  return marks;
}

void append_lines(std::string& text, char sign, const Lines& lines, std::size_t begin,
                  std::size_t end) {
  for (std::size_t i = begin; i < end; ++i) {
    text += sign;
    text += lines[i];
    if (!lines[i].ends_with('\n')) text += "\n\\ No newline at end of file\n";
  }
}

// "12,3" as diff -u writes it: line numbers from 1, no count if it is 1.
std::string range(std::size_t begin, std::size_t end) {
  const std::size_t count = end - begin;
  const std::size_t first = count == 0 ? begin : begin + 1;
  return count == 1 ? fmt::format("{}", first) : fmt::format("{},{}", first, count);
}

// Hunks [begin, end) are near enough to share their context: print them as one.
void append_group(std::string& text, const Lines& before, const Lines& after,
                  std::vector<Hunk>::const_iterator begin, std::vector<Hunk>::const_iterator end) {
  const Hunk& first = *begin;
  const Hunk& last = *std::prev(end);
  const std::size_t lead = std::min(kContext, first.before_begin);
  const std::size_t tail = std::min(kContext, before.size() - last.before_end);
  text += fmt::format("@@ -{} +{} @@\n", range(first.before_begin - lead, last.before_end + tail),
                      range(first.after_begin - lead, last.after_end + tail));
  std::size_t at = first.before_begin - lead;
  for (auto hunk = begin; hunk != end; ++hunk) {
    append_lines(text, ' ', before, at, hunk->before_begin);
    append_lines(text, '-', before, hunk->before_begin, hunk->before_end);
    append_lines(text, '+', after, hunk->after_begin, hunk->after_end);
    at = hunk->before_end;
  }
  append_lines(text, ' ', before, at, last.before_end + tail);
}

std::string join(const Lines& lines, std::size_t begin, std::size_t end) {
  std::string text;
  for (std::size_t i = begin; i < end; ++i) text += lines[i];
  return text;
}

}  // namespace

std::vector<std::string_view> split_lines(std::string_view text) {
  Lines lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
    lines.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return lines;
}

std::vector<Hunk> diff_lines(std::string_view before, std::string_view after) {
  Lines old_lines = split_lines(before), new_lines = split_lines(after);
  const auto [old_first, new_first] = std::ranges::mismatch(old_lines, new_lines);
  const auto same = static_cast<std::size_t>(old_first - old_lines.begin());
  old_lines.erase(old_lines.begin(), old_first);
  new_lines.erase(new_lines.begin(), new_first);
  while (!old_lines.empty() && !new_lines.empty() && old_lines.back() == new_lines.back()) {
    old_lines.pop_back();
    new_lines.pop_back();
  }

  const Marks marks = mark_changes(old_lines, new_lines);
  std::vector<Hunk> hunks;
  for (std::size_t i = 0, j = 0; i < old_lines.size() || j < new_lines.size();) {
    const std::size_t i_begin = i, j_begin = j;
    while (i < old_lines.size() && marks.before[i]) ++i;
    while (j < new_lines.size() && marks.after[j]) ++j;
    if (i == i_begin && j == j_begin) {
      ++i;
      ++j;
    } else {
      hunks.push_back({same + i_begin, same + i, same + j_begin, same + j});
    }
  }
  return hunks;
}

std::string unified_diff(const std::string& path, std::optional<std::string_view> before,
                         std::optional<std::string_view> after) {
  const std::string_view old_text = before.value_or(""), new_text = after.value_or("");
  const std::vector<Hunk> hunks = diff_lines(old_text, new_text);
  if (hunks.empty() && before.has_value() == after.has_value()) return {};
  std::string text =
      fmt::format("--- {}\n+++ {}\n", before ? path : "/dev/null", after ? path : "/dev/null");
  const Lines old_lines = split_lines(old_text), new_lines = split_lines(new_text);
  for (auto begin = hunks.begin(); begin != hunks.end();) {
    auto end = std::next(begin);
    while (end != hunks.end() && end->before_begin - std::prev(end)->before_end <= 2 * kContext)
      ++end;
    append_group(text, old_lines, new_lines, begin, end);
    begin = end;
  }
  return text;
}

namespace {

bool is_insertion(const Hunk& hunk) { return hunk.before_begin == hunk.before_end; }

// Two changes that lie side by side do not collide, but of two insertions at one place nobody knows
// the order.
bool collide(const Hunk& one, const Hunk& other) {
  if (is_insertion(one) && is_insertion(other)) return one.before_begin == other.before_begin;
  return one.before_begin < other.before_end && other.before_begin < one.before_end;
}

std::string quoted(const std::string& lines) {
  if (lines.empty()) return "    (nothing)\n";
  std::string text;
  for (const std::string_view line : split_lines(lines)) text += fmt::format("    {}", line);
  return text.ends_with('\n') ? text : text + "\n";
}

}  // namespace

Result<std::string> merge_lines(std::string_view base, std::string_view ours,
                                std::string_view theirs) {
  const std::vector<Hunk> our_hunks = diff_lines(base, ours),
                          their_hunks = diff_lines(base, theirs);
  const Lines base_lines = split_lines(base), our_lines = split_lines(ours),
              their_lines = split_lines(theirs);
  std::string merged;
  std::size_t base_at = 0, their_at = 0;  // how far base and theirs have been taken over
  auto their = their_hunks.begin();
  for (const Hunk& our : our_hunks) {
    for (; their != their_hunks.end() && their->before_end <= our.before_begin &&
           !collide(*their, our);
         ++their) {
      merged += join(their_lines, their_at, their->after_end);
      base_at = their->before_end;
      their_at = their->after_end;
    }
    if (their != their_hunks.end() && collide(*their, our))
      return rejected(fmt::format(
          "line {} was changed on both sides\n  it was\n{}  it is now\n{}  and should "
          "become\n{}",
          their->after_begin + 1, quoted(join(base_lines, their->before_begin, their->before_end)),
          quoted(join(their_lines, their->after_begin, their->after_end)),
          quoted(join(our_lines, our.after_begin, our.after_end))));
    const std::size_t keep = our.before_begin - base_at;
    merged += join(their_lines, their_at, their_at + keep);
    merged += join(our_lines, our.after_begin, our.after_end);
    their_at += keep + (our.before_end - our.before_begin);
    base_at = our.before_end;
  }
  return merged + join(their_lines, their_at, their_lines.size());
}

}  // namespace everseal::base
