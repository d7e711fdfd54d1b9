#include "ca/call.h"

#include <fmt/format.h>

#include <charconv>

namespace everseal::ca {

std::string account_url(std::string_view base, std::int64_t account) {
  return fmt::format("{}/account/{}", base, account);
}

std::string order_url(std::string_view base, std::int64_t order) {
  return fmt::format("{}/order/{}", base, order);
}

std::string authorization_url(std::string_view base, std::int64_t authorization) {
  return fmt::format("{}/authz/{}", base, authorization);
}

std::int64_t to_number(std::string_view word) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
  const bool good = error == std::errc() && end == word.data() + word.size() && number > 0 &&
                    !word.starts_with('0');
  return good ? number : 0;
}

std::unexpected<Refusal> no_such(std::string_view what) {
  return refuse(404, "malformed", fmt::format("there is no such {}", what));
}

http::Response respond(int status, std::string body) {
  return {
      .status = status, .headers = {{"Content-Type", "application/json"}}, .body = std::move(body)};
}

}  // namespace everseal::ca
