#include "acme/resources.h"

// Whatever a CA sends is read or refused.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string_view origin = "https://ca.test:443";
  (void)everseal::acme::parse_directory(text, "https://ca.test/dir");
  (void)everseal::acme::parse_account(text, origin);
  (void)everseal::acme::parse_order_list(text, origin);
  if (const auto order = everseal::acme::parse_order(text, origin); order && order->error) {
    (void)order->error->describe();
  }
  (void)everseal::acme::parse_problem(text, 400).describe();
  const auto window = everseal::acme::parse_renewal_info(text);
  if (window && window->end <= window->start) __builtin_trap();
  const auto authorization = everseal::acme::parse_authorization(text, origin);
  if (!authorization) return 0;
  for (const auto& each : authorization->challenges) {
    if (!everseal::acme::is_token(each.token)) __builtin_trap();
  }
  return 0;
}
