#include "base/result.h"

#include <fmt/format.h>

#include <cerrno>
#include <system_error>

namespace everseal::base {

std::string_view to_string(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::invalid:
      return "invalid";
    case ErrorKind::not_found:
      return "not_found";
    case ErrorKind::transient:
      return "transient";
    case ErrorKind::rejected:
      return "rejected";
    case ErrorKind::internal:
      return "internal";
  }
  return "internal";
}

Error Error::within(std::string_view context) && {
  return {kind, fmt::format("{}: {}", context, message)};
}

std::unexpected<Error> invalid(std::string message) {
  return std::unexpected(Error{ErrorKind::invalid, std::move(message)});
}
std::unexpected<Error> not_found(std::string message) {
  return std::unexpected(Error{ErrorKind::not_found, std::move(message)});
}
std::unexpected<Error> transient(std::string message) {
  return std::unexpected(Error{ErrorKind::transient, std::move(message)});
}
std::unexpected<Error> rejected(std::string message) {
  return std::unexpected(Error{ErrorKind::rejected, std::move(message)});
}
std::unexpected<Error> internal(std::string message) {
  return std::unexpected(Error{ErrorKind::internal, std::move(message)});
}

std::unexpected<Error> system_error(std::string_view attempt, int code) {
  std::string message = fmt::format("{}: {}", attempt, std::generic_category().message(code));
  switch (code) {
    case ENOENT:
    case ENOTDIR:
      return not_found(std::move(message));
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EAGAIN:
    case ETIMEDOUT:
      return transient(std::move(message));
    default:
      return internal(std::move(message));
  }
}

}  // namespace everseal::base
