#include "http/url.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace everseal::http {
namespace {

std::string parts(std::string_view text) {
  const auto url = split_url(text);
  if (!url) return url.error().message;
  return fmt::format("{} {} {}", url->scheme, url->host, url->port);
}

TEST(Url, IsTakenApart) {
  EXPECT_EQ(parts("http://a.example/b?c"), "http a.example 0");
  EXPECT_EQ(parts("HTTPS://A.example:8443"), "https A.example 8443");
  EXPECT_EQ(parts("http://[2001:db8::1]:81/"), "http 2001:db8::1 81");
}

// Who writes an address in another base hides that it is one.
TEST(Url, ShowsAddressesAsAddresses) {
  EXPECT_EQ(parts("http://0x7f000001/"), "http 127.0.0.1 0");
  EXPECT_EQ(parts("http://127.1/"), "http 127.0.0.1 0");
}

TEST(Url, IsRefusedIfItHidesSomething) {
  EXPECT_EQ(parts("http://a.example@b.example/"), "not a URL: http://a.example@b.example/");
  EXPECT_EQ(parts("/relative"), "not a URL: /relative");
  EXPECT_EQ(parts("http://a.example:99999/"), "not a URL: http://a.example:99999/");
  EXPECT_EQ(parts("gopherx://a.example/"), "not a URL: gopherx://a.example/");
  EXPECT_EQ(parts("http://a.example/" + std::string(2000, 'x')).substr(0, 10), "not a URL:");
}

}  // namespace
}  // namespace everseal::http
