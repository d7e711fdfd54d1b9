#include "notify/delivery.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/address.h"
#include "base/encoding.h"
#include "http/curl.h"
#include "http/curl_transport.h"
#include "notify/smtp.h"

namespace everseal::notify {
namespace {

constexpr base::Seconds kTime{30};
constexpr std::size_t kMostAnswerBytes = 64 << 10;

// fe80::/10 and 169.254/16 (RFC 4291 §2.5.6, RFC 3927), the latter also as ::ffff:169.254.0.0.
bool is_of_the_link(std::string_view address) {
  const std::string bytes = base::address_bytes(address).value_or("");
  constexpr std::string_view kMapped("\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);
  if (bytes.starts_with(kMapped)) return std::string_view(bytes).substr(12).starts_with("\xa9\xfe");
  if (bytes.size() == 4) return bytes.starts_with("\xa9\xfe");
  return bytes.size() == 16 && bytes[0] == '\xfe' && (bytes[1] & '\xc0') == '\x80';
}

std::string_view without_brackets(std::string_view host) {
  return host.starts_with('[') ? host.substr(1, host.size() - 2) : host;
}

Result<http::Response> answer(http::Transport& transport, const ByWebhook& post) {
  http::Request request{
      .method = http::Method::post, .url = post.url, .headers = post.headers, .body = post.body};
  transport.send(0, std::move(request));
  auto completions = transport.wait(std::chrono::steady_clock::now() + 2 * kTime);
  if (completions.empty()) return base::transient("no answer in time");
  return std::move(completions.front().result);
}

Result<> post_to_webhook(const ByWebhook& post, const Way& way) {
  const std::string place = TRY(http::https_origin(post.url));
  const auto transport = TRY(http::CurlTransport::open({.trusted_pem = way.trusted_pem,
                                                        .addresses = way.addresses,
                                                        .total_timeout = kTime,
                                                        .most_body_bytes = kMostAnswerBytes}));
  auto response = answer(*transport, post);
  if (!response) {
    std::string& message = response.error().message;  // begins with the URL
    const std::string url = base::printable(post.url, 200);
    if (message.starts_with(url)) message.replace(0, url.size(), place);
    return std::unexpected(std::move(response).error());
  }
  if (response->status >= 200 && response->status < 300) return {};
  const std::string words = fmt::format("{}: it answers with status {}: {}", place,
                                        response->status, base::printable(response->body, 200));
  return response->status >= 500 || response->status == 429 ? base::transient(words)
                                                            : base::rejected(words);
}

}  // namespace

Result<std::string> origin(const Delivery& delivery) {
  if (const auto* const post = std::get_if<ByWebhook>(&delivery))
    return http::https_origin(post->url);
  const MailServer& server = std::get<ByMail>(delivery).server;
  return fmt::format("smtp://{}:{}", server.host, server.port);
}

Result<std::vector<std::string>> allowed(std::vector<std::string> addresses) {
  const bool had_some = !addresses.empty();
  std::erase_if(addresses,
                [](const std::string& each) { return is_of_the_link(without_brackets(each)); });
  if (had_some && addresses.empty())
    return base::invalid("its address is one of the link alone, where no such server is");
  return addresses;
}

Result<> deliver(const Delivery& delivery, const Way& way) {
  static_cast<void>(TRY(http::open_curl()));
  if (const auto* const mail = std::get_if<ByMail>(&delivery)) return send_by_smtp(*mail, way);
  return post_to_webhook(std::get<ByWebhook>(delivery), way);
}

}  // namespace everseal::notify
