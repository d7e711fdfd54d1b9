#include "acme/payload.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "base/encoding.h"

namespace everseal::acme {
namespace {

constexpr std::size_t kMostAddressBytes = 254;  // RFC 5321 §4.5.3.1.3, without "<>"

// Besides what no address has: what would end a JSON string.
Result<> check_email(const std::string& address) {
  const bool good = address.size() <= kMostAddressBytes && address.find('@') != address.npos &&
                    std::ranges::all_of(address, [](char c) {
                      return c > ' ' && c <= '~' &&
                             std::string_view("\",;<>?&\\").find(c) == std::string_view::npos;
                    });
  if (good) return {};
  return base::invalid(fmt::format("not an e-mail address: {}", base::printable(address, 100)));
}

constexpr std::size_t kMostBytesOfAMember = 200;

// Whether it needs no escape in JSON: base64url and a dot is all that an identifier of RFC 9773
// has, and more than the names of known profiles have.
bool is_plain(std::string_view text) {
  return text.size() <= kMostBytesOfAMember && std::ranges::all_of(text, [](unsigned char c) {
           return std::isalnum(c) || c == '-' || c == '_' || c == '.';
         });
}

Result<std::string> optional_member(const char* member, const std::string& value) {
  if (value.empty()) return std::string();
  if (is_plain(value)) return fmt::format(R"(,"{}":"{}")", member, value);
  return base::rejected(
      fmt::format("an order cannot have the {} '{}'", member, base::printable(value, 80)));
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
Result<std::string> new_order_json(const payload::NewOrder& order) {
  std::string identifiers;
  for (const std::string& name : order.names)
    identifiers +=
        fmt::format(R"({}{{"type":"dns","value":"{}"}})", identifiers.empty() ? "" : ",", name);
  return fmt::format(R"({{"identifiers":[{}]{}{}}})", identifiers,
                     TRY(optional_member("replaces", order.replaces)),
                     TRY(optional_member("profile", order.profile)));
}

std::string finalize_json(const std::string& request_der) {
  return fmt::format(R"({{"csr":"{}"}})", base::base64url(request_der));
}

std::string change_key_json(std::string_view account, std::string_view old_key) {
  return fmt::format(R"({{"account":"{}","oldKey":{}}})", account, old_key);
}

}  // namespace everseal::acme
