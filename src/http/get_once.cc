#include "http/get_once.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/connection.h"
#include "base/encoding.h"
#include "http/curl.h"

namespace everseal::http {
namespace {

constexpr std::size_t kMostHeaderBytes = 16 << 10;

// What libcurl fills; its address is known to it.
struct Exchange {
  const base::Connection& connection;
  std::size_t most_body_bytes;
  EasyPointer easy{};
  ListPointer connect_to{};
  std::string body{};
  std::size_t header_bytes = 0;
  std::array<char, CURL_ERROR_SIZE> error{};
};

// libcurl works on a socket of its own, which it closes, of the connection that is there.
curl_socket_t on_open(void* user, curlsocktype, curl_sockaddr*) {
  return ::fcntl(static_cast<Exchange*>(user)->connection.fd(), F_DUPFD_CLOEXEC, 0);
}

int on_opened(void*, curl_socket_t, curlsocktype) { return CURL_SOCKOPT_ALREADY_CONNECTED; }

// libcurl takes any other count than `size` as a wish to end.
std::size_t on_body(char* data, std::size_t, std::size_t size, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  const std::size_t taken = std::min(size, exchange.most_body_bytes - exchange.body.size());
  exchange.body.append(data, taken);
  return taken;
}

bool is_cut(const Exchange& exchange, CURLcode code) {
  return code == CURLE_WRITE_ERROR && exchange.body.size() == exchange.most_body_bytes;
}

std::size_t on_header(char*, std::size_t, std::size_t size, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  return (exchange.header_bytes += size) > kMostHeaderBytes ? 0 : size;
}

// Values are constants of libcurl's documented types.
template <class Value>
void set(const Exchange& exchange, CURLoption option, Value value) {
  curl().easy_setopt(exchange.easy.get(), option, value);
}

// libcurl would look up the URL's host, were it not told an address: that of the connection.
void set_where(Exchange& exchange, const Get& get) {
  set(exchange, CURLOPT_OPENSOCKETFUNCTION, &on_open);
  set(exchange, CURLOPT_OPENSOCKETDATA, &exchange);
  set(exchange, CURLOPT_SOCKOPTFUNCTION, &on_opened);
  const std::string entry = fmt::format("::{}", get.address.to_string());
  exchange.connect_to.reset(curl().slist_append(nullptr, entry.c_str()));
  set(exchange, CURLOPT_CONNECT_TO, exchange.connect_to.get());
  set(exchange, CURLOPT_URL, get.url.c_str());
  set(exchange, CURLOPT_PROTOCOLS_STR, "http,https");
  set(exchange, CURLOPT_PROXY, "");
}

void set_how(Exchange& exchange, const Get& get) {
  set(exchange, CURLOPT_NOSIGNAL, 1L);
  set(exchange, CURLOPT_HTTPGET, 1L);
  set(exchange, CURLOPT_FOLLOWLOCATION, 0L);
  set(exchange, CURLOPT_FORBID_REUSE, 1L);
  set(exchange, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(exchange, CURLOPT_SSL_VERIFYPEER, 0L);
  set(exchange, CURLOPT_SSL_VERIFYHOST, 0L);
  set(exchange, CURLOPT_CAINFO, nullptr);
  set(exchange, CURLOPT_CAPATH, nullptr);
  set(exchange, CURLOPT_USERAGENT, get.user_agent.c_str());
}

void set_callbacks(Exchange& exchange) {
  set(exchange, CURLOPT_WRITEFUNCTION, &on_body);
  set(exchange, CURLOPT_WRITEDATA, &exchange);
  set(exchange, CURLOPT_HEADERFUNCTION, &on_header);
  set(exchange, CURLOPT_HEADERDATA, &exchange);
  set(exchange, CURLOPT_ERRORBUFFER, exchange.error.data());
}

// An https URL's handshake has ended if libcurl knows how long it took.
GetFailure::Stage stage_of(const Exchange& exchange, const Get& get) {
  curl_off_t microseconds = 0;
  curl().easy_getinfo(exchange.easy.get(), CURLINFO_APPCONNECT_TIME_T, &microseconds);
  const bool secured = microseconds != 0 || !get.url.starts_with("https:");
  return secured ? GetFailure::Stage::answering : GetFailure::Stage::securing;
}

std::string message_of(const Exchange& exchange, CURLcode code) {
  if (exchange.header_bytes > kMostHeaderBytes) return "the headers are larger than 16 KiB";
  if (code == CURLE_OPERATION_TIMEDOUT) return "no answer in time";
  return base::printable(exchange.error[0] ? exchange.error.data() : curl().easy_strerror(code));
}

GetAnswer answer_of(Exchange& exchange) {
  long status = 0;
  const char* location = nullptr;
  curl().easy_getinfo(exchange.easy.get(), CURLINFO_RESPONSE_CODE, &status);
  curl().easy_getinfo(exchange.easy.get(), CURLINFO_REDIRECT_URL, &location);
  return {static_cast<int>(status), std::move(exchange.body), location ? location : ""};
}

}  // namespace

std::expected<GetAnswer, GetFailure> get_once(const Get& get) {
  using Stage = GetFailure::Stage;
  const Instant start = std::chrono::steady_clock::now(), deadline = start + get.total_timeout;
  if (const auto opened = open_curl(); !opened)
    return std::unexpected(GetFailure{Stage::connecting, opened.error().message});
  const auto connection =
      base::Connection::open(get.address, start + std::min(get.connect_timeout, get.total_timeout));
  if (!connection)
    return std::unexpected(GetFailure{Stage::connecting, connection.error().message});
  Exchange exchange{.connection = *connection, .most_body_bytes = get.most_body_bytes};
  exchange.easy.reset(curl().easy_init());
  set_where(exchange, get);
  set_how(exchange, get);
  set_callbacks(exchange);
  const auto left =
      std::chrono::ceil<base::Milliseconds>(deadline - std::chrono::steady_clock::now());
  set(exchange, CURLOPT_TIMEOUT_MS, static_cast<long>(std::max(left.count(), 1L)));
  const CURLcode code = curl().easy_perform(exchange.easy.get());
  if (code != CURLE_OK && !is_cut(exchange, code))
    return std::unexpected(GetFailure{stage_of(exchange, get), message_of(exchange, code)});
  return answer_of(exchange);
}

}  // namespace everseal::http
