#include "http/message.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <ranges>

#include "base/encoding.h"

namespace everseal::http {
namespace {

constexpr base::Seconds kLongestWait = std::chrono::hours(24);
constexpr std::size_t kMostUrlBytes = 2048;
constexpr std::string_view kHttps = "https://";

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool equal_without_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, lower, lower);
}

const std::string* first_value(const std::vector<Header>& headers, std::string_view name) {
  for (const Header& each : headers)
    if (equal_without_case(each.name, name)) return &each.value;
  return nullptr;
}

template <class Number>
std::optional<Number> to_number(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

bool all_digits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

// More seconds than fit in a number are a long time too.
std::optional<base::Seconds> seconds_or_date(std::string_view text, Time now) {
  if (all_digits(text)) {
    return std::min(kLongestWait, base::Seconds(to_number<std::uint32_t>(text).value_or(~0u)));
  }
  const auto date = base::parse_http_date(text);
  if (!date || *date <= now) return std::nullopt;
  return std::min(kLongestWait, *date - now);
}

// "host" and "port" of an authority; the port of https if there is none.
std::optional<std::pair<std::string_view, std::uint16_t>> split_authority(
    std::string_view authority) {
  const std::size_t colon = authority.find(':', std::min(authority.find(']'), authority.size()));
  const bool is_address = authority.starts_with('[');
  const std::size_t port_at = is_address ? colon : authority.rfind(':');
  if (port_at == authority.npos) return std::pair{authority, std::uint16_t{443}};
  const auto port = to_number<std::uint16_t>(authority.substr(port_at + 1));
  if (!port || *port == 0) return std::nullopt;
  return std::pair{authority.substr(0, port_at), *port};
}

bool is_host_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
         c == '[' || c == ']' || c == ':';
}

// `text` up to `end`, which is removed too; all of it if `end` does not occur.
std::string_view take_until(std::string_view& text, char end) {
  const std::size_t at = std::min(text.find(end), text.size());
  const std::string_view taken = text.substr(0, at);
  text.remove_prefix(std::min(at + 1, text.size()));
  return taken;
}

bool has_relation(std::string_view parameters, std::string_view relation) {
  const std::string quoted = fmt::format("rel=\"{}\"", relation);
  const std::string plain = fmt::format("rel={}", relation);
  while (!parameters.empty()) {
    std::string_view one = take_until(parameters, ';');
    one.remove_prefix(std::min(one.find_first_not_of(" \t"), one.size()));
    one = one.substr(0, one.find_last_not_of(" \t") + 1);
    if (equal_without_case(one, quoted) || equal_without_case(one, plain)) return true;
  }
  return false;
}

}  // namespace

const std::string* Request::header(std::string_view name) const {
  return first_value(headers, name);
}

const std::string* Response::header(std::string_view name) const {
  return first_value(headers, name);
}

std::vector<std::string_view> Response::all(std::string_view name) const {
  std::vector<std::string_view> values;
  for (const Header& each : headers) {
    if (equal_without_case(each.name, name)) values.push_back(each.value);
  }
  return values;
}

std::optional<base::Seconds> retry_after(const Response& response, Time now) {
  const std::string* value = response.header("Retry-After");
  return value ? seconds_or_date(*value, now) : std::nullopt;
}

std::vector<std::string> links(const Response& response, std::string_view relation) {
  std::vector<std::string> targets;
  for (std::string_view value : response.all("Link")) {
    while (value.find('<') != value.npos) {
      take_until(value, '<');
      const std::string_view target = take_until(value, '>');
      const std::string_view parameters = value.substr(0, value.find(",", 0));
      if (has_relation(parameters, relation)) targets.emplace_back(target);
    }
  }
  return targets;
}

Result<std::string> https_origin(std::string_view url) {
  auto refuse = [&](std::string_view why) {
    return base::invalid(fmt::format("{}: {}", why, base::printable(url, 200)));
  };
  if (url.size() > kMostUrlBytes) return refuse("a URL of more than 2048 bytes");
  if (!std::ranges::all_of(url, [](char c) { return c > ' ' && c <= '~'; })) {
    return refuse("a URL with a byte that does not belong there");
  }
  if (!equal_without_case(url.substr(0, kHttps.size()), kHttps)) return refuse("not an https URL");
  const std::string_view rest = url.substr(kHttps.size());
  const auto authority = split_authority(rest.substr(0, rest.find_first_of("/?#")));
  if (!authority) return refuse("a URL with a bad port");
  std::string host(authority->first);
  std::ranges::transform(host, host.begin(), lower);
  if (host.empty() || !std::ranges::all_of(host, is_host_character)) {
    return refuse("a URL with a bad host");
  }
  return fmt::format("https://{}:{}", host, authority->second);
}

}  // namespace everseal::http
