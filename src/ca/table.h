// Settings of a table, each read by its name: what administrators and tests write for the CA.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "ca/json.h"

namespace everseal::ca::table {

// "90d", "160h", "30m", "10s"; also with "-" in front. Refuses all else as malformed.
Checked<base::Seconds> parse_life(std::string_view text);

// Reads one member of `from` into what it sets.
template <class T>
using Setter = std::function<Checked<>(T& all, const Object& from, const char* member)>;
template <class T>
using Setters = std::map<std::string, Setter<T>, std::less<>>;

// Setters of members that are a text, a flag, an integer, a length of time, a moment from now.

template <class T>
Setter<T> text(std::string T::* to) {
  return [to](T& all, const Object& from, const char* member) -> Checked<> {
    all.*to = TRY(from.text(member));
    return {};
  };
}

template <class T>
Setter<T> flag(bool T::* to) {
  return [to](T& all, const Object& from, const char* member) -> Checked<> {
    all.*to = TRY(from.flag(member));
    return {};
  };
}

template <class T>
Setter<T> integer(std::int64_t T::* to) {
  return [to](T& all, const Object& from, const char* member) -> Checked<> {
    all.*to = TRY(from.optional_integer(member)).value_or(0);
    return {};
  };
}

template <class T, class Member>
Setter<T> life(Member to) {
  return [to](T& all, const Object& from, const char* member) -> Checked<> {
    const auto length = TRY(parse_life(TRY(from.text(member))));
    if (length.count() <= 0) return malformed("\"" + std::string(member) + "\" is no time at all");
    all.*to = length;
    return {};
  };
}

template <class T>
Setter<T> moment(std::optional<base::Seconds> T::* to) {
  return [to](T& all, const Object& from, const char* member) -> Checked<> {
    all.*to = TRY(parse_life(TRY(from.text(member))));
    return {};
  };
}

// Reads every member of `from`. Refuses one that has no setter.
template <class T>
Checked<> read(T& all, const Object& from, const Setters<T>& setters) {
  for (const std::string& member : from.members()) {
    const auto setter = setters.find(member);
    if (setter == setters.end()) return malformed("there is no \"" + member + "\"");
    TRY(setter->second(all, from, member.c_str()));
  }
  return {};
}

// A refusal as an error: what is wrong with a table. `where` names it.
template <class T>
Result<T> to_result(std::string_view where, Checked<T> checked) {
  if (checked) return *std::move(checked);
  return base::invalid(std::string(where) + ": " + checked.error().problem.detail);
}

}  // namespace everseal::ca::table
