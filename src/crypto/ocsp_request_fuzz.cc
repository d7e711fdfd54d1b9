#include "crypto/ocsp_request.h"

// Whatever is sent as a question is read or refused, and what is read can be answered.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view der(reinterpret_cast<const char*>(data), size);
  const auto request = everseal::crypto::parse_ocsp_request(der);
  if (!request) return 0;
  if (request->questions.empty()) __builtin_trap();
  for (const auto& each : request->questions)
    if (each.der().empty()) __builtin_trap();
  return 0;
}
