#include "acme/payload.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/encoding.h"

namespace everseal::acme {
namespace {

// Besides what no address has: what would end a JSON string.
Result<> check_email(const std::string& address) {
  const bool good = address.find('@') != address.npos && std::ranges::all_of(address, [](char c) {
                      return c > ' ' && c <= '~' &&
                             std::string_view("\",;<>?&\\").find(c) == std::string_view::npos;
                    });
  if (good) return {};
  return base::invalid(fmt::format("not an e-mail address: {}", base::printable(address, 100)));
}

}  // namespace

Result<std::string> new_account_json(const Registration& registration, const std::string& binding) {
  std::string json =
      fmt::format(R"({{"termsOfServiceAgreed":{})", registration.terms_agreed ? "true" : "false");
  std::string contacts;
  for (const std::string& address : registration.contacts) {
    TRY(check_email(address));
    contacts += fmt::format(R"({}"mailto:{}")", contacts.empty() ? "" : ",", address);
  }
  if (!contacts.empty()) json += fmt::format(R"(,"contact":[{}])", contacts);
  if (!binding.empty()) json += fmt::format(R"(,"externalAccountBinding":{})", binding);
  return json + "}";
}

// Names are in base::parse_domain_name's form: letters, digits, '-', '.', '_' and '*'.
std::string new_order_json(const std::vector<std::string>& names) {
  std::string identifiers;
  for (const std::string& name : names)
    identifiers +=
        fmt::format(R"({}{{"type":"dns","value":"{}"}})", identifiers.empty() ? "" : ",", name);
  return fmt::format(R"({{"identifiers":[{}]}})", identifiers);
}

std::string finalize_json(const std::string& request_der) {
  return fmt::format(R"({{"csr":"{}"}})", base::base64url(request_der));
}

}  // namespace everseal::acme
