// Line differences: what the preview shows and what undo merges.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace everseal::base {

// One replaced run of lines: before[before_begin, before_end) became after[after_begin, after_end);
// line numbers from 0.
struct Hunk {
  std::size_t before_begin, before_end, after_begin, after_end;
};

// The lines of a text, each with its line ending; the last may lack one.
std::vector<std::string_view> split_lines(std::string_view text);

// The shortest edit between two texts, by lines (Myers 1986), in order.
std::vector<Hunk> diff_lines(std::string_view before, std::string_view after);

// A unified diff with three lines of context, as `diff -u` prints it; empty if the texts are equal.
// `path` names both sides; a file that did not exist is std::nullopt and shown as /dev/null.
std::string unified_diff(const std::string& path, std::optional<std::string_view> before,
                         std::optional<std::string_view> after);

// The three-way merge: `theirs` with the change base → ours applied. Errors: rejected, naming the
// line of `theirs` (from 1) where both changed the same lines, or inserted at the same place, and
// showing both versions.
Result<std::string> merge_lines(std::string_view base, std::string_view ours,
                                std::string_view theirs);

}  // namespace everseal::base
