#include "http/request_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/ascii.h"
#include "base/encoding.h"

namespace everseal::http {
namespace {

using base::is_letter_or_digit;

constexpr std::string_view kLineEnd = "\r\n";
constexpr std::string_view kHeadEnd = "\r\n\r\n";
constexpr std::string_view kTokenMarks = "!#$%&'*+-.^_`|~";

// RFC 9110 §5.6.2.
bool is_token(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return is_letter_or_digit(c) || kTokenMarks.contains(c);
  });
}

// Of a target: visible ASCII.
bool is_visible(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
}

// RFC 9110 §5.5, without what is obsolete.
bool is_field_value(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return (c >= ' ' && c <= '~') || c == '\t'; });
}

std::optional<std::size_t> to_length(std::string_view text) {
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc::result_out_of_range) return ~std::size_t{0};
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<Method> to_method(std::string_view word) {
  if (word == "GET") return Method::get;
  if (word == "HEAD") return Method::head;
  if (word == "POST") return Method::post;
  return std::nullopt;
}

std::string_view reason(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 204:
      return "No Content";
    case 400:
      return "Bad Request";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 429:
      return "Too Many Requests";
    case 500:
      return "Internal Server Error";
    case 503:
      return "Service Unavailable";
    default:
      return "Status";
  }
}

}  // namespace

bool is_host(std::string_view text) {
  return !text.empty() && text.size() <= 255 && std::ranges::all_of(text, [](char c) {
    return is_letter_or_digit(c) || std::string_view(".-:[]").contains(c);
  });
}

void RequestReader::feed(std::string_view bytes) {
  if (!over_) bytes_.append(bytes);
}

std::optional<ReadRequest> RequestReader::give_up(int status) {
  over_ = true;
  bytes_.clear();
  ReadRequest refused = current_.value_or(ReadRequest());
  refused.last = true;
  refused.refused = status;
  return refused;
}

std::optional<ReadRequest> RequestReader::next() {
  if (over_) return std::nullopt;
  if (!current_) {
    const std::size_t end = bytes_.find(kHeadEnd);
    // What came last may be the beginning of the end.
    const std::size_t least = bytes_.size() - std::min(bytes_.size(), kHeadEnd.size() - 1);
    if (std::min(end, least) > limits_.most_head_bytes) return give_up(431);
    if (end == bytes_.npos) return std::nullopt;
    current_.emplace();
    const int status = read_head(std::string_view(bytes_).substr(0, end));
    if (status != 0) return give_up(status);
    bytes_.erase(0, end + kHeadEnd.size());
  }
  if (bytes_.size() < body_bytes_) return std::nullopt;
  ReadRequest whole = *std::exchange(current_, std::nullopt);
  whole.request.body = bytes_.substr(0, body_bytes_);
  bytes_.erase(0, body_bytes_);
  over_ = whole.last;
  return whole;
}

bool RequestReader::take_expectation() {
  return current_ && bytes_.empty() && std::exchange(expects_, false);
}

// Each returns the status to refuse with, or 0.

int RequestReader::read_head(std::string_view head) {
  body_bytes_ = 0;
  has_length_ = expects_ = false;
  std::size_t end = std::min(head.find(kLineEnd), head.size());
  if (const int status = read_request_line(head.substr(0, end))) return status;
  while (end < head.size()) {
    const std::size_t begin = end + kLineEnd.size();
    end = std::min(head.find(kLineEnd, begin), head.size());
    if (const int status = read_header(head.substr(begin, end - begin))) return status;
  }
  return finish_head();
}

int RequestReader::read_request_line(std::string_view line) {
  const std::size_t first = line.find(' '), last = line.rfind(' ');
  if (first == line.npos || first == last) return 400;
  const std::string_view version = line.substr(last + 1);
  if (version != "HTTP/1.1" && version != "HTTP/1.0")
    return version.starts_with("HTTP/") ? 505 : 400;
  current_->last = version == "HTTP/1.0";
  const std::string_view method = line.substr(0, first);
  if (!is_token(method)) return 400;
  if (const int status = take_target(line.substr(first + 1, last - first - 1))) return status;
  const auto known = to_method(method);
  if (!known) return 405;
  current_->request.method = *known;
  return 0;
}

// "/path?query" (§3.2.1), or with scheme and host before it (§3.2.2).
int RequestReader::take_target(std::string_view target) {
  if (!is_visible(target) || target.contains('#')) return 400;
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!base::lower_case(target.substr(0, scheme.size())).starts_with(scheme)) continue;
    target.remove_prefix(scheme.size());
    target.remove_prefix(std::min(target.find('/'), target.size()));
  }
  if (!target.starts_with('/')) return 400;
  current_->request.url = target;
  return 0;
}

int RequestReader::read_header(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == line.npos || !is_token(line.substr(0, colon))) return 400;
  const std::string name = base::lower_case(line.substr(0, colon));
  const std::string_view value = base::trimmed(line.substr(colon + 1));
  if (!is_field_value(value)) return 400;
  if (name == "transfer-encoding") return 411;
  if (name == "host") {
    if (!current_->host.empty() || !is_host(value)) return 400;
    current_->host = base::lower_case(value);
  } else if (name == "content-length") {
    const auto length = to_length(value);
    if (!length || has_length_) return 400;
    has_length_ = true;
    body_bytes_ = *length;
  } else if (name == "connection") {
    const std::string option = base::lower_case(value);
    if (option == "close") current_->last = true;
    if (option == "keep-alive") current_->last = false;
  } else if (name == "expect") {
    expects_ = base::lower_case(value) == "100-continue";
  }
  current_->request.headers.push_back({std::string(line.substr(0, colon)), std::string(value)});
  return 0;
}

int RequestReader::finish_head() {
  if (current_->host.empty()) return 400;
  if (body_bytes_ > limits_.most_body_bytes) return 413;
  return 0;
}

std::string to_bytes(const Response& response, Body body, bool last) {
  std::string bytes = fmt::format("HTTP/1.1 {} {}\r\n", response.status, reason(response.status));
  for (const Header& header : response.headers)
    bytes += fmt::format("{}: {}\r\n", header.name, header.value);
  if (response.status != 204) bytes += fmt::format("Content-Length: {}\r\n", response.body.size());
  if (last) bytes += "Connection: close\r\n";
  bytes += kLineEnd;
  if (body == Body::send && response.status != 204) bytes += response.body;
  return bytes;
}

}  // namespace everseal::http
