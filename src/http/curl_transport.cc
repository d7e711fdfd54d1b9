#include "http/curl_transport.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <deque>
#include <utility>

#include "base/encoding.h"
#include "base/memory.h"
#include "http/curl.h"

namespace everseal::http {
namespace {

constexpr std::size_t kMostInCurl = 200;
constexpr long kConnectionsPerHost = 2;
constexpr std::size_t kMostHeaderBytes = 64 << 10;
// libcurl 7.88 keeps answers of some streams of a connection in its buffers until it is called
// again, and there is no event on the socket that says so.
constexpr base::Milliseconds kLongestPoll{20};

struct FreeMulti {
  void operator()(CURLM* handle) const { curl().multi_cleanup(handle); }
};

// One request on its way; its address is known to libcurl.
struct Transfer {
  std::uint64_t id = 0;
  Request request;
  Response response;
  std::size_t most_body_bytes = 0;
  std::size_t header_bytes = 0;
  Upload upload;  // of the request's body
  EasyPointer easy;
  ListPointer header_lines, addresses;
  std::array<char, CURL_ERROR_SIZE> error{};
};

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

// libcurl takes any other count than `size` as a wish to end the transfer.
std::size_t on_body(char* data, std::size_t, std::size_t size, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  if (transfer.response.body.size() + size > transfer.most_body_bytes) return 0;
  transfer.response.body.append(data, size);
  return size;
}

// A status line begins anew: headers of a 100 Continue are not ours.
std::size_t on_header(char* data, std::size_t, std::size_t size, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  if ((transfer.header_bytes += size) > kMostHeaderBytes) return 0;
  const std::string_view line(data, size);
  const std::size_t colon = line.find(':');
  if (line.starts_with("HTTP/")) {
    transfer.response.headers.clear();
  } else if (colon != line.npos) {
    transfer.response.headers.push_back(
        {std::string(line.substr(0, colon)), std::string(trimmed(line.substr(colon + 1)))});
  }
  return size;
}

// Values are constants of libcurl's documented types.
template <class Value>
void set(const Transfer& transfer, CURLoption option, Value value) {
  curl().easy_setopt(transfer.easy.get(), option, value);
}

// The body comes by a function, in which libcurl cannot go back. So where it would send a request
// again by itself, after the server closed a kept connection without an answer, it fails instead:
// the request may have taken effect, and whoever made it knows how to find out.
void set_method(Transfer& transfer) {
  const Request& request = transfer.request;
  switch (request.method) {
    case Method::get:
      return set(transfer, CURLOPT_HTTPGET, 1L);
    case Method::head:
      return set(transfer, CURLOPT_NOBODY, 1L);
    case Method::post:
      set(transfer, CURLOPT_POST, 1L);
      set(transfer, CURLOPT_POSTFIELDSIZE, static_cast<long>(request.body.size()));
      transfer.upload.rest = request.body;
      set(transfer, CURLOPT_READDATA, &transfer.upload);
      return set(transfer, CURLOPT_READFUNCTION, &send_some);
  }
}

void set_headers(Transfer& transfer) {
  curl_slist* lines = curl().slist_append(nullptr, "Expect:");  // no pause for a 100 Continue
  for (const Header& each : transfer.request.headers) {
    lines = curl().slist_append(lines, fmt::format("{}: {}", each.name, each.value).c_str());
  }
  transfer.header_lines.reset(lines);
  set(transfer, CURLOPT_HTTPHEADER, lines);
}

void set_options(Transfer& transfer, const CurlOptions& options) {
  set(transfer, CURLOPT_URL, transfer.request.url.c_str());
  set(transfer, CURLOPT_PROTOCOLS_STR, "https");
  set(transfer, CURLOPT_FOLLOWLOCATION, 0L);
  set(transfer, CURLOPT_PROXY, "");
  set(transfer, CURLOPT_NOSIGNAL, 1L);
  set(transfer, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  set(transfer, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
  set(transfer, CURLOPT_PIPEWAIT, 1L);
  set(transfer, CURLOPT_USERAGENT, options.user_agent.c_str());
  set(transfer, CURLOPT_CONNECTTIMEOUT, static_cast<long>(options.connect_timeout.count()));
  set(transfer, CURLOPT_TIMEOUT, static_cast<long>(options.total_timeout.count()));
  set(transfer, CURLOPT_WRITEFUNCTION, &on_body);
  set(transfer, CURLOPT_WRITEDATA, &transfer);
  set(transfer, CURLOPT_HEADERFUNCTION, &on_header);
  set(transfer, CURLOPT_HEADERDATA, &transfer);
  set(transfer, CURLOPT_ERRORBUFFER, transfer.error.data());
  set(transfer, CURLOPT_PRIVATE, &transfer);
  set(transfer, CURLOPT_CAINFO, nullptr);
  set(transfer, CURLOPT_CAPATH, nullptr);
  const std::string& trusted = options.trusted_pem;
  curl_blob blob{const_cast<char*>(trusted.data()), trusted.size(), CURL_BLOB_NOCOPY};
  set(transfer, CURLOPT_CAINFO_BLOB, &blob);
}

void set_addresses(Transfer& transfer, const std::vector<std::string>& addresses) {
  const std::string origin = https_origin(transfer.request.url).value_or("https://");
  transfer.addresses =
      resolve_list(std::string_view(origin).substr(std::string_view("https://").size()), addresses);
  set(transfer, CURLOPT_RESOLVE, transfer.addresses.get());
}

std::unexpected<Error> transfer_error(const Transfer& transfer, CURLcode code) {
  const std::string_view url = transfer.request.url;
  if (code == CURLE_WRITE_ERROR) {
    return base::transient(fmt::format("{}: the answer is larger than {} bytes",
                                       base::printable(url, 200), transfer.most_body_bytes));
  }
  base::insist_on_memory();
  const char* reason = transfer.error[0] ? transfer.error.data() : curl().easy_strerror(code);
  return base::transient(fmt::format("{}: {}", base::printable(url, 200), base::printable(reason)));
}

// Whether only the end of the connection says where the answer ends: libcurl takes any end for it,
// also one amid the headers, or one that TLS has not confirmed (RFC 9112 §8, §9.8).
bool ends_unconfirmed(const Transfer& transfer, long status) {
  const Response& response = transfer.response;
  long version = 0;
  curl().easy_getinfo(transfer.easy.get(), CURLINFO_HTTP_VERSION, &version);
  const bool has_body =
      transfer.request.method != Method::head && status != 204 && status != 304;  // RFC 9112 §6.3
  return version <= CURL_HTTP_VERSION_1_1 && has_body && !response.header("Content-Length") &&
         !response.header("Transfer-Encoding");
}

}  // namespace

// libcurl's handles and our queue before them.
class CurlTransport::Loop {
 public:
  Loop(CurlOptions options, CURLM* multi) : options_(std::move(options)), multi_(multi) {
    curl().multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS, kConnectionsPerHost);
    curl().multi_setopt(multi, CURLMOPT_PIPELINING, static_cast<long>(CURLPIPE_MULTIPLEX));
  }
  ~Loop() {
    for (const auto& each : active_) curl().multi_remove_handle(multi_.get(), each->easy.get());
  }
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  void send(std::uint64_t id, Request request) {
    if (auto origin = https_origin(request.url); !origin) {
      done_.push_back({id, std::unexpected(origin.error())});
      return;
    }
    auto transfer = std::make_unique<Transfer>();
    transfer->id = id;
    transfer->request = std::move(request);
    transfer->most_body_bytes = options_.most_body_bytes;
    queue_.push_back(std::move(transfer));
  }

  std::vector<Completion> wait(Instant deadline) {
    do {
      start_queued();
      int running = 0;
      curl().multi_perform(multi_.get(), &running);
      collect();
      start_queued();
    } while (done_.empty() && poll(deadline));
    return std::exchange(done_, {});
  }

 private:
  void start_queued() {
    while (!queue_.empty() && active_.size() < kMostInCurl) {
      active_.push_back(std::move(queue_.front()));
      queue_.pop_front();
      start(*active_.back());
    }
  }

  void start(Transfer& transfer) {
    transfer.easy = idle_handle();
    set_options(transfer, options_);
    set_addresses(transfer, options_.addresses);
    set_method(transfer);
    set_headers(transfer);
    curl().multi_add_handle(multi_.get(), transfer.easy.get());
  }

  EasyPointer idle_handle() {
    if (idle_.empty()) return EasyPointer(curl().easy_init());
    EasyPointer handle = std::move(idle_.back());
    idle_.pop_back();
    curl().easy_reset(handle.get());
    return handle;
  }

  // False once the deadline has passed.
  bool poll(Instant deadline) {
    const auto left =
        std::chrono::ceil<base::Milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) return false;
    const auto timeout = active_.size() > 1 ? std::min(left, kLongestPoll) : left;
    curl().multi_poll(multi_.get(), nullptr, 0, static_cast<int>(timeout.count()), nullptr);
    return true;
  }

  void collect() {
    int left = 0;
    while (const CURLMsg* message = curl().multi_info_read(multi_.get(), &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      void* user = nullptr;
      curl().easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &user);
      finish(static_cast<Transfer*>(user), message->data.result);
    }
  }

  void finish(Transfer* transfer, CURLcode code) {
    curl().multi_remove_handle(multi_.get(), transfer->easy.get());
    const auto at = std::ranges::find(active_, transfer, &std::unique_ptr<Transfer>::get);
    const std::unique_ptr<Transfer> owner = std::move(*at);
    *at = std::move(active_.back());
    active_.pop_back();
    done_.push_back({owner->id, result_of(*owner, code)});
    idle_.push_back(std::move(owner->easy));
  }

  static Result<Response> result_of(Transfer& transfer, CURLcode code) {
    if (code != CURLE_OK) return transfer_error(transfer, code);
    long status = 0;
    curl().easy_getinfo(transfer.easy.get(), CURLINFO_RESPONSE_CODE, &status);
    transfer.response.status = static_cast<int>(status);
    if (ends_unconfirmed(transfer, status)) {
      return base::transient(fmt::format("{}: the answer does not say how long it is",
                                         base::printable(transfer.request.url, 200)));
    }
    return std::move(transfer.response);
  }

  const CurlOptions options_;
  std::unique_ptr<CURLM, FreeMulti> multi_;
  std::deque<std::unique_ptr<Transfer>> queue_;
  std::vector<std::unique_ptr<Transfer>> active_;
  std::vector<EasyPointer> idle_;
  std::vector<Completion> done_;
};

CurlTransport::CurlTransport(std::unique_ptr<Loop> loop) : loop_(std::move(loop)) {}
CurlTransport::~CurlTransport() = default;

Result<std::unique_ptr<CurlTransport>> CurlTransport::open(CurlOptions options) {
  static_cast<void>(TRY(open_curl()));
  CURLM* multi = curl().multi_init();
  if (!multi) return base::internal("libcurl does not start");
  return std::unique_ptr<CurlTransport>(
      new CurlTransport(std::make_unique<Loop>(std::move(options), multi)));
}

void CurlTransport::send(std::uint64_t id, Request request) { loop_->send(id, std::move(request)); }

std::vector<Completion> CurlTransport::wait(Instant deadline) { return loop_->wait(deadline); }

}  // namespace everseal::http
