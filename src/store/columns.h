// How values stand in the catalog's columns.
#pragma once

#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "store/schema.h"

namespace everseal::store {

// Seconds since 1970.
inline std::int64_t to_integer(Time time) { return time.time_since_epoch().count(); }
inline Time to_time(std::int64_t seconds) { return Time(base::Seconds(seconds)); }

// A JSON array; what is none is empty.
std::string to_json(const std::vector<std::string>& texts);
std::vector<std::string> from_json(const std::string& text);

// "?, ?, …": a value for each of the columns.
std::string places_of(std::string_view columns);

// "INSERT OR REPLACE INTO TABLE (COLUMNS) VALUES (?, …)": a value for each of the columns, which
// are named so that it means the same for every order in which a table may have them.
std::string replace_into(std::string_view table, std::string_view columns);

// An enum and its words, in the order of the enum.
template <std::size_t N>
using Words = std::array<std::string_view, N>;

inline constexpr Words<3> kMethods = {"nginx", "webroot", "standalone"};
inline constexpr Words<4> kVersionStates = {"pending", "ready", "live", "old"};
inline constexpr Words<4> kChangeStates = {"applying", "applied", "restored", "undone"};
inline constexpr Words<4> kSights = {"right", "wrong", "unreachable", "unused"};
inline constexpr Words<9> kEventKinds = {"issued",  "installed", "failed", "taken back", "left out",
                                         "differs", "agrees",    "unused", "damaged"};

// Errors: invalid.
template <class Enum, std::size_t N>
Result<Enum> from_word(const Words<N>& words, std::string_view text) {
  for (std::size_t i = 0; i < N; ++i)
    if (words[i] == text) return static_cast<Enum>(i);
  return base::invalid(fmt::format("catalog: unknown word '{}'; {}", text, kRemedy));
}

// Of a query that finds one or none.
template <class Record>
std::optional<Record> first(std::vector<Record> found) {
  if (found.empty()) return std::nullopt;
  return std::move(found.front());
}

}  // namespace everseal::store
