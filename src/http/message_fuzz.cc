#include "http/message.h"

// Headers and URLs of any content are read; an accepted origin is its own origin.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const everseal::http::Response response{
      .status = 503, .headers = {{"Retry-After", text}, {"Link", text}}, .body = ""};
  const auto wait = everseal::http::retry_after(response, everseal::Time());
  if (wait && (wait->count() < 0 || *wait > std::chrono::hours(24))) __builtin_trap();
  (void)everseal::http::links(response, "alternate");
  const auto origin = everseal::http::https_origin(text);
  if (origin && everseal::http::https_origin(*origin) != *origin) __builtin_trap();
  return 0;
}
