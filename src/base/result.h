// Failures as values: Error, Result and the one macro TRY.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace everseal::base {

// Named after the reaction that a failure asks for.
enum class ErrorKind {
  invalid,    // what was given is wrong: a person must change it
  not_found,  // what was asked for does not exist
  transient,  // the same attempt may succeed later
  rejected,   // the other side refused: trying the same again is useless
  internal,   // our own fault, or the machine's
};

// "invalid", "not_found", … as stored and shown.
std::string_view to_string(ErrorKind kind);

// A failure: what was attempted, what happened and, where it helps, what to do next.
struct Error {
  ErrorKind kind;
  std::string message;

  // The same failure seen from one step further up: "CONTEXT: MESSAGE".
  Error within(std::string_view context) &&;
};

template <class T = void>
using Result = std::expected<T, Error>;

std::unexpected<Error> invalid(std::string message);
std::unexpected<Error> not_found(std::string message);
std::unexpected<Error> transient(std::string message);
std::unexpected<Error> rejected(std::string message);
std::unexpected<Error> internal(std::string message);

// A failed system call as an Error: "ATTEMPT: strerror(code)". ENOENT is not_found; a full disk, a
// lack of descriptors, memory or time are transient; the rest is internal.
std::unexpected<Error> system_error(std::string_view attempt, int code);

// `result`, its failure seen from `context`.
template <class T>
Result<T> within(std::string_view context, Result<T> result) {
  if (!result) result = std::unexpected(std::move(result).error().within(context));
  return result;
}

}  // namespace everseal::base

namespace everseal {
using base::Error;
using base::ErrorKind;
using base::Result;
}  // namespace everseal

// The value of a Result, or return its failure from the function around it. May be nested. Not in
// the braces of an aggregate behind a member that owns memory: g++ does not destroy what it has
// made of it by then.
#define TRY(...) EVERSEAL_TRY_COUNTED(__COUNTER__, __VA_ARGS__)
#define EVERSEAL_TRY_COUNTED(count, ...) EVERSEAL_TRY_NAMED(count, __VA_ARGS__)
#define EVERSEAL_TRY_NAMED(count, ...)                        \
  __extension__({                                             \
    auto try_##count = (__VA_ARGS__);                         \
    if (!try_##count) [[unlikely]]                            \
      return std::unexpected(std::move(try_##count).error()); \
    *std::move(try_##count);                                  \
  })
