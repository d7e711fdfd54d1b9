#include <cstdlib>
#include <set>

#include "http/http2_session.h"

namespace everseal::http {
namespace {

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
constexpr RequestLimits kLimits{.most_head_bytes = 500, .most_body_bytes = 100};
constexpr std::size_t kStep = 7;

std::size_t head_bytes(const Request& request) {
  std::size_t bytes = request.url.size();
  for (const Header& each : request.headers) bytes += each.name.size() + each.value.size();
  return bytes;
}

void check(const ReadRequest& read) {
  if (read.request.body.size() > kLimits.most_body_bytes) __builtin_trap();
  if (head_bytes(read.request) > kLimits.most_head_bytes) __builtin_trap();
  const bool is_whole = read.request.url.starts_with('/') && is_host(read.host);
  if (read.refused == 0 && !is_whole) __builtin_trap();
}

// As a server would, with a part of the requests dropped.
void serve(Http2Session& session, std::set<std::int32_t>& seen) {
  for (const StreamRequest& each : session.requests()) {
    check(each.read);
    if (!seen.insert(each.stream).second) __builtin_trap();
    if (each.read.refused == 405)
      session.drop(each.stream);
    else
      session.answer(each.stream, {.status = 200, .headers = {{"A", "b"}}, .body = "body"});
  }
  session.output();
}

}  // namespace
}  // namespace everseal::http

// Whatever a client sends after the preface: what is handed out keeps to the limits, each stream
// once. (How the bytes are cut may matter: libnghttp2 counts the pieces of CONTINUATION frames.)
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace everseal::http;
  if (!Http2Session::open_library()) std::abort();
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  std::set<std::int32_t> seen;
  Http2Session session(kLimits, 4);
  session.feed(kPreface);
  while (!bytes.empty() && !session.is_over()) {
    if (!session.feed(bytes.substr(0, kStep))) break;
    bytes.remove_prefix(std::min(kStep, bytes.size()));
    serve(session, seen);
  }
  return 0;
}
