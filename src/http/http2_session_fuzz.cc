#include <cstdlib>

#include "http/http2_session.h"

namespace everseal::http {
namespace {

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
constexpr RequestLimits kLimits{.most_head_bytes = 500, .most_body_bytes = 100};

// Answers whatever comes, as a server would, with its bytes cut into pieces of `step`.
std::vector<StreamRequest> serve(std::string_view bytes, std::size_t step) {
  Http2Session session(kLimits, 4);
  session.feed(kPreface);
  std::vector<StreamRequest> all;
  for (; !bytes.empty() && !session.is_over(); bytes.remove_prefix(std::min(step, bytes.size()))) {
    if (!session.feed(bytes.substr(0, step))) break;
    for (StreamRequest& each : session.requests()) {
      if (each.read.refused == 405)
        session.drop(each.stream);
      else
        session.answer(each.stream, {.status = 200, .headers = {{"A", "b"}}, .body = "body"});
      all.push_back(std::move(each));
    }
    session.output();
  }
  return all;
}

}  // namespace
}  // namespace everseal::http

// What is handed out keeps to the limits, and is the same however the bytes are cut.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace everseal::http;
  if (!Http2Session::open_library()) std::abort();
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto cut = serve(bytes, 7);
  for (const StreamRequest& each : cut) {
    if (each.read.request.body.size() > kLimits.most_body_bytes) __builtin_trap();
    if (each.read.refused == 0 && !each.read.request.url.starts_with('/')) __builtin_trap();
  }
  const auto bytewise = serve(bytes, 1);
  if (bytewise.size() != cut.size()) __builtin_trap();
  for (std::size_t i = 0; i < cut.size(); i++)
    if (cut[i].read.request.url != bytewise[i].read.request.url) __builtin_trap();
  return 0;
}
