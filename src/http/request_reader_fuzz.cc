#include "http/request_reader.h"

// However the bytes of a connection are cut, the requests in them are the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace everseal::http;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const RequestLimits limits{.most_head_bytes = 200, .most_body_bytes = 50};
  RequestReader whole(limits), cut(limits);
  whole.feed(bytes);
  std::size_t at = 0;
  while (const auto read = whole.next()) {
    auto other = cut.next();
    while (!other && at < size) {
      cut.feed(bytes.substr(at++, 1));
      other = cut.next();
    }
    if (!other || other->refused != read->refused) __builtin_trap();
    if (read->refused == 0 && other->request.body != read->request.body) __builtin_trap();
    if (read->request.body.size() > limits.most_body_bytes) __builtin_trap();
  }
  return 0;
}
