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

// The content of the DER integer: serial numbers are positive, so that a first byte above 127 has a
// zero before it.
std::string serial_content(const crypto::Certificate& certificate) {
  std::string bytes = base::decode_hex(certificate.serial()).value_or("");
  if (!bytes.empty() && (bytes.front() & 0x80)) bytes.insert(bytes.begin(), '\0');
  return bytes;
}

}  // namespace

Result<std::string> certificate_id(const crypto::Certificate& certificate) {
  const std::string authority = certificate.authority_key_id();
  if (authority.empty()) return base::invalid("the certificate does not name its issuer's key");
  return fmt::format("{}.{}", base::base64url(authority),
                     base::base64url(serial_content(certificate)));
}

RenewalInfo read_renewal_info(const Result<http::Response>& result, Time now) {
  const auto asked = result ? http::retry_after(*result, now) : std::nullopt;
  return {.window = read_window(result),
          .ask_again = asked ? std::clamp(*asked, kSoonest, kLatest) : kUsual};
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
