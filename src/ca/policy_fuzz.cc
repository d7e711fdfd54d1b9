#include "base/network.h"
#include "ca/faults.h"
#include "ca/own_names.h"
#include "ca/policy.h"
#include "crypto/random.h"

namespace everseal::ca {
namespace {

// Whatever a policy or a file of faults says, it is read, and what it does to answers ends.
void read_tables(const std::string& text) {
  static_cast<void>(parse_policy(text));
  Faults faults(crypto::random_bytes);
  if (!faults.add(text)) return;
  for (const char* resource : {"directory", "order"}) {
    http::Response response{.status = 200, .body = R"({"a": [{"b": 1}], "c": "d"})"};
    if (const Fault* const fault = faults.strike(resource, {"a.example"})) fault->apply(response);
  }
}

// What is a network has the address that it was written with, whatever the address is.
void read_names(const std::string& text) {
  const auto network = base::Network::parse(text);
  if (network && !network->contains(text.substr(0, text.find('/')))) __builtin_trap();
  static_cast<void>(base::kind_of(text));
  static_cast<void>(base::meanings_of(text));
  OwnNames names;
  const auto name = OwnNames::parse(text);
  if (name && name->port != 0) names.add(name->host, name->port);
  if (name && name->port != 0 && !names.include("https://" + text)) __builtin_trap();
}

}  // namespace
}  // namespace everseal::ca

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (!text.contains("repeat")) everseal::ca::read_tables(text);  // it may be as long as it says
  everseal::ca::read_names(text);
  return 0;
}
