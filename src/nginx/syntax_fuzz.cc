#include <cstdint>
#include <cstdlib>

#include "nginx/syntax.h"

// Whatever parses is made of ranges of the text, in order.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string text(data, data + size);
  auto document = everseal::nginx::Document::parse("f", text);
  if (!document) return 0;
  std::size_t at = 0;
  for (const auto& statement : document->statements()) {
    if (statement.span.begin < at || statement.span.end > size) std::abort();
    at = statement.span.end;
  }
  return 0;
}
