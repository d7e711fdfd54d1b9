#include "crypto/certificate_request.h"
#include "crypto/public_key.h"

// Whatever is sent as a request is read or refused; names that are read can be shown as they are.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view der(reinterpret_cast<const char*>(data), size);
  const auto request = everseal::crypto::parse_certificate_request(der);
  if (!request) return 0;
  if (!everseal::crypto::PublicKey::from_der(request->public_key_der)) __builtin_trap();
  for (const std::string& name : request->dns_names) {
    for (const char c : name)
      if (c <= ' ' || c > '~' || (c >= 'A' && c <= 'Z')) __builtin_trap();
  }
  return 0;
}
