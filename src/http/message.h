// HTTP messages as values.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace everseal::http {

enum class Method { get, head, post };

struct Header {
  std::string name{};
  std::string value{};
};

struct Request {
  Method method = Method::get;
  std::string url{};
  std::vector<Header> headers{};
  std::string body{};  // only sent with a POST

  // As Response's.
  const std::string* header(std::string_view name) const;
};

struct Response {
  int status = 0;
  std::vector<Header> headers{};  // in the order of arrival
  std::string body{};

  // The first value of a header, or nullptr. Names are compared without case (RFC 9110 §5.1).
  const std::string* header(std::string_view name) const;

  // All values of a header.
  std::vector<std::string_view> all(std::string_view name) const;
};

// How long a response asks to wait: Retry-After in seconds or as a date (RFC 9110 §10.2.3), at most
// a day. nullopt if it is absent, in the past, or neither.
std::optional<base::Seconds> retry_after(const Response& response, Time now);

// The target of the first `Link: <TARGET>; rel="RELATION"`s (RFC 8288), in order, as sent.
std::vector<std::string> links(const Response& response, std::string_view relation);

// Where an https URL leads: "https://host:port", host in lower case, the port always there. Two
// URLs are of one origin if these are equal (RFC 6454 §4). Errors: invalid (another scheme, no
// host, a user name, a byte that is not printable ASCII, more than 2048 bytes).
Result<std::string> https_origin(std::string_view url);

}  // namespace everseal::http
