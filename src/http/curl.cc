#include "http/curl.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <vector>

#include "base/shared_library.h"

namespace everseal::http {
namespace {

Result<const Curl*> open_once() {
  static Curl curl;
  const auto library = TRY(base::SharedLibrary::open("libcurl.so.4", "Debian's libcurl4"));
  TRY(library.find("curl_global_init", curl.global_init));
  TRY(library.find("curl_easy_init", curl.easy_init));
  TRY(library.find("curl_easy_cleanup", curl.easy_cleanup));
  TRY(library.find("curl_easy_reset", curl.easy_reset));
  TRY(library.find("curl_easy_setopt", curl.easy_setopt));
  TRY(library.find("curl_easy_perform", curl.easy_perform));
  TRY(library.find("curl_easy_getinfo", curl.easy_getinfo));
  TRY(library.find("curl_easy_strerror", curl.easy_strerror));
  TRY(library.find("curl_multi_init", curl.multi_init));
  TRY(library.find("curl_multi_cleanup", curl.multi_cleanup));
  TRY(library.find("curl_multi_setopt", curl.multi_setopt));
  TRY(library.find("curl_multi_add_handle", curl.multi_add_handle));
  TRY(library.find("curl_multi_remove_handle", curl.multi_remove_handle));
  TRY(library.find("curl_multi_perform", curl.multi_perform));
  TRY(library.find("curl_multi_poll", curl.multi_poll));
  TRY(library.find("curl_multi_info_read", curl.multi_info_read));
  TRY(library.find("curl_slist_append", curl.slist_append));
  TRY(library.find("curl_slist_free_all", curl.slist_free_all));
  TRY(library.find("curl_url", curl.url));
  TRY(library.find("curl_url_cleanup", curl.url_cleanup));
  TRY(library.find("curl_url_set", curl.url_set));
  TRY(library.find("curl_url_get", curl.url_get));
  TRY(library.find("curl_free", curl.free));
  if (curl.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
    return base::internal("libcurl does not start");
  return &curl;
}

}  // namespace

Result<const Curl*> open_curl() {
  static const Result<const Curl*> curl = open_once();
  return curl;
}

std::size_t send_some(char* to, std::size_t size, std::size_t count, void* upload) {
  std::string_view& rest = static_cast<Upload*>(upload)->rest;
  const std::size_t length = rest.copy(to, size * count);
  rest.remove_prefix(length);
  return length;
}

// "HOST:PORT:ADDRESS,…": an address of IPv6 goes into brackets.
ListPointer resolve_list(std::string_view host_and_port, std::span<const std::string> addresses) {
  if (addresses.empty()) return nullptr;
  std::vector<std::string> literals;
  for (const std::string& each : addresses)
    literals.push_back(each.contains(':') ? fmt::format("[{}]", each) : each);
  const std::string entry = fmt::format("{}:{}", host_and_port, fmt::join(literals, ","));
  return ListPointer(curl().slist_append(nullptr, entry.c_str()));
}

}  // namespace everseal::http
