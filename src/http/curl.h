// libcurl, opened when it is first used: a process that never does has neither its code nor the
// start-up time of the thirty libraries behind it.
#pragma once

#include <curl/curl.h>

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace everseal::http {

// The functions of libcurl that we call.
struct Curl {
  decltype(&::curl_global_init) global_init;
  decltype(&::curl_easy_init) easy_init;
  decltype(&::curl_easy_cleanup) easy_cleanup;
  decltype(&::curl_easy_reset) easy_reset;
  decltype(&::curl_easy_setopt) easy_setopt;
  decltype(&::curl_easy_perform) easy_perform;
  decltype(&::curl_easy_getinfo) easy_getinfo;
  decltype(&::curl_easy_strerror) easy_strerror;
  decltype(&::curl_multi_init) multi_init;
  decltype(&::curl_multi_cleanup) multi_cleanup;
  decltype(&::curl_multi_setopt) multi_setopt;
  decltype(&::curl_multi_add_handle) multi_add_handle;
  decltype(&::curl_multi_remove_handle) multi_remove_handle;
  decltype(&::curl_multi_perform) multi_perform;
  decltype(&::curl_multi_poll) multi_poll;
  decltype(&::curl_multi_info_read) multi_info_read;
  decltype(&::curl_slist_append) slist_append;
  decltype(&::curl_slist_free_all) slist_free_all;
  decltype(&::curl_url) url;
  decltype(&::curl_url_cleanup) url_cleanup;
  decltype(&::curl_url_set) url_set;
  decltype(&::curl_url_get) url_get;
  decltype(&::curl_free) free;
};

// Opens and starts libcurl once for the process. Errors: not_found (no library, or one without a
// function that we need), internal (it does not start).
Result<const Curl*> open_curl();

// The same, once open_curl() has succeeded.
inline const Curl& curl() { return **open_curl(); }

struct FreeEasy {
  void operator()(CURL* handle) const { curl().easy_cleanup(handle); }
};
struct FreeList {
  void operator()(curl_slist* list) const { curl().slist_free_all(list); }
};
using EasyPointer = std::unique_ptr<CURL, FreeEasy>;
using ListPointer = std::unique_ptr<curl_slist, FreeList>;

// What is still to be sent: for CURLOPT_READDATA, with send_some() as CURLOPT_READFUNCTION.
struct Upload {
  std::string_view rest{};
};
std::size_t send_some(char* to, std::size_t size, std::size_t count, void* upload);

// What CURLOPT_RESOLVE takes, so that DNS is not asked: `host_and_port` has these addresses. Null
// without addresses.
ListPointer resolve_list(std::string_view host_and_port, std::span<const std::string> addresses);

}  // namespace everseal::http
