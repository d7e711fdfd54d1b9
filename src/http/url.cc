#include "http/url.h"

#include <fmt/format.h>

#include <charconv>
#include <memory>

#include "base/encoding.h"
#include "http/curl.h"

namespace everseal::http {
namespace {

constexpr std::size_t kMostBytes = 2000;

struct FreeUrl {
  void operator()(CURLU* url) const { curl().url_cleanup(url); }
};
using UrlPointer = std::unique_ptr<CURLU, FreeUrl>;

// Empty if there is none.
std::string part(const UrlPointer& url, CURLUPart which) {
  char* text = nullptr;
  if (curl().url_get(url.get(), which, &text, 0) != CURLUE_OK) return {};
  std::string copy(text);
  curl().free(text);
  return copy;
}

std::string without_brackets(const std::string& host) {
  return host.starts_with('[') ? host.substr(1, host.size() - 2) : host;
}

}  // namespace

Result<Url> split_url(std::string_view text) {
  static_cast<void>(TRY(open_curl()));
  const UrlPointer url(curl().url());
  if (text.size() > kMostBytes || text.contains('\0') ||
      curl().url_set(url.get(), CURLUPART_URL, std::string(text).c_str(), CURLU_DISALLOW_USER) !=
          CURLUE_OK) {
    return base::invalid(fmt::format("not a URL: {}", base::printable(text, 200)));
  }
  Url result{.scheme = part(url, CURLUPART_SCHEME),
             .host = without_brackets(part(url, CURLUPART_HOST))};
  const std::string port = part(url, CURLUPART_PORT);
  std::from_chars(port.data(), port.data() + port.size(), result.port);
  return result;
}

}  // namespace everseal::http
