#include <cstdint>
#include <cstdlib>

#include "nginx/trivia.h"

// Whatever parses is, put together again from its statements, the same text.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(data, data + size);
  const auto document = everseal::nginx::Document::parse("f", text);
  if (document && everseal::nginx::compose(*document) != text) std::abort();
  return 0;
}
