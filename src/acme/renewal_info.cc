#include "acme/renewal_info.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/encoding.h"
#include "http/message.h"

namespace everseal::acme {
namespace {

constexpr base::Seconds kSoonest = std::chrono::minutes(1), kLatest = std::chrono::days(1),
                        kUsual = std::chrono::hours(6);

Result<RenewalWindow> read_window(const Result<http::Response>& result) {
  const http::Response& response = TRY(result);
  if (response.status == 200) return parse_renewal_info(response.body);
  return std::unexpected(parse_problem(response.body, response.status).error());
}

std::optional<Time> read_date(const Result<http::Response>& result) {
  const std::string* const date = result ? result->header("Date") : nullptr;
  const auto time = date ? base::parse_http_date(*date) : base::invalid("");
  return time ? std::optional(*time) : std::nullopt;
}

}  // namespace

RenewalInfo cleaned(RenewalInfo info) {
  info.ask_again = std::clamp(info.ask_again, kSoonest, kLatest);
  if (!info.window) {
    info.window.error().message = base::printable(info.window.error().message);
    return info;
  }
  info.window->explanation = base::printable(info.window->explanation);
  if (info.window->end <= info.window->start)
    info.window = base::rejected("a window that ends before it starts");
  return info;
}

RenewalInfo read_renewal_info(const Result<http::Response>& result, Time now) {
  const auto asked = result ? http::retry_after(*result, now) : std::nullopt;
  return {.window = read_window(result),
          .ask_again = asked ? std::clamp(*asked, kSoonest, kLatest) : kUsual,
          .ca_time = read_date(result)};
}

Result<std::vector<RenewalInfo>> fetch_renewal_info(Client& client,
                                                    std::span<const std::string> ids) {
  const Directory& directory = *TRY(client.directory());
  std::vector<RenewalInfo> all;
  if (directory.renewal_info.empty()) {
    const RenewalInfo none{.window = base::rejected("the CA has no renewal information"),
                           .ask_again = kLatest};
    return std::vector(ids.size(), none);
  }
  std::vector<std::string> urls;
  for (const std::string& id : ids)
    urls.push_back(fmt::format("{}/{}", directory.renewal_info, id));
  for (const auto& each : client.get_all(urls))
    all.push_back(read_renewal_info(each, client.clock().now()));
  return all;
}

}  // namespace everseal::acme
