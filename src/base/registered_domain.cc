#include "base/registered_domain.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/address.h"
#include "base/shared_library.h"

namespace everseal::base {
namespace {

// The functions of libpsl that we call (libpsl(3)); its header is not needed for them.
struct PublicSuffixList {
  const void* (*builtin)();
  const char* (*registrable_domain)(const void* list, const char* name);
};

Result<PublicSuffixList> open_list() {
  PublicSuffixList list;
  const auto library = TRY(SharedLibrary::open("libpsl.so.5", "Debian's libpsl5"));
  TRY(library.find("psl_builtin", list.builtin));
  TRY(library.find("psl_registrable_domain", list.registrable_domain));
  return list;
}

std::string last_two_labels(std::string_view name) {
  const std::size_t last = name.rfind('.');
  if (last == name.npos || last == 0) return std::string(name);
  const std::size_t before = name.rfind('.', last - 1);
  return std::string(name.substr(before == name.npos ? 0 : before + 1));
}

// "2001:db8::/64" of "2001:db8::1".
std::string network_of(const std::string& address) {
  in6_addr bytes{};
  if (!address.contains(':') || ::inet_pton(AF_INET6, address.c_str(), &bytes) != 1) return address;
  std::fill(bytes.s6_addr + 8, bytes.s6_addr + 16, std::uint8_t{0});
  char text[INET6_ADDRSTRLEN];
  return fmt::format("{}/64", ::inet_ntop(AF_INET6, &bytes, text, sizeof text));
}

}  // namespace

std::string registered_domain(std::string_view name) {
  if (const auto address = canonical_address(name)) return network_of(*address);
  if (name.starts_with("*.")) name.remove_prefix(2);
  static const Result<PublicSuffixList> opened = open_list();
  if (!opened) return last_two_labels(name);
  const std::string terminated(name);
  const char* const found = opened->registrable_domain(opened->builtin(), terminated.c_str());
  return found ? found : terminated;  // a public suffix itself
}

}  // namespace everseal::base
