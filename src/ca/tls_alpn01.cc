#include "ca/tls_alpn01.h"

#include <fmt/format.h>

#include <ranges>

#include "base/address.h"
#include "base/connection.h"
#include "base/encoding.h"
#include "ca/x509.h"
#include "crypto/der.h"
#include "crypto/jws.h"
#include "crypto/tls_client.h"

namespace everseal::ca {
namespace {

constexpr const char* kProtocol = "acme-tls/1";
constexpr const char* kAcmeIdentifier = "1.3.6.1.5.5.7.1.31";

// RFC 1035 §3.5: the bytes in decimal, the last one first.
std::string reversed_v4(std::string_view bytes) {
  std::string name;
  for (const unsigned char byte : std::views::reverse(bytes)) name += fmt::format("{}.", byte);
  return name + "in-addr.arpa";
}

// RFC 3596 §2.5: the digits in hexadecimal, the last one first.
std::string reversed_v6(std::string_view bytes) {
  std::string name;
  for (const char digit : std::views::reverse(base::hex(bytes))) name.append({digit, '.'});
  return name + "ip6.arpa";
}

// Whether it names what is validated and nothing else.
bool names_only(const crypto::Certificate& certificate, const std::string& name) {
  using Kind = crypto::AlternativeName::Kind;
  const Kind kind = base::canonical_address(name) ? Kind::address : Kind::dns;
  return certificate.alternative_names() == std::vector{crypto::AlternativeName{kind, name}};
}

// The connection to the first address that takes one.
Proven<base::Connection> connect(const ValidationContext& context) {
  acme::Problem problem;
  for (const Destination& each : TRY(destinations_of(context, context.validation.name))) {
    auto connection =
        base::Connection::open(each.at(context.settings.tls_port), context.step_deadline());
    if (connection) return *std::move(connection);
    problem = disproven("connection", connection.error().message).error();
  }
  return std::unexpected(problem);
}

}  // namespace

std::string server_name_for(const std::string& name) {
  const auto bytes = base::address_bytes(name);
  if (!bytes) return name;
  return name.contains(':') ? reversed_v6(*bytes) : reversed_v4(*bytes);
}

std::string fault_of(const crypto::Certificate& certificate, const Validation& validation) {
  if (!certificate.self_signed()) return "is not self-signed";
  if (!names_only(certificate, validation.name))
    return fmt::format("does not name {} alone", validation.name);
  const auto extension = certificate.extension(kAcmeIdentifier);
  if (!extension) return "has not one acmeIdentifier extension";
  if (!extension->critical) return "has an acmeIdentifier extension that is not critical";
  const std::string expected =
      crypto::der::octet_string(crypto::sha256(key_authorization(validation)));
  if (extension->value != expected)
    return "has another acmeIdentifier than the digest of the key authorization";
  return {};
}

Proven<> prove_tls_alpn_01(const ValidationContext& context) {
  auto connection = TRY(connect(context));
  const auto answer = crypto::tls_handshake(
      connection, {.server_name = server_name_for(context.validation.name), .protocol = kProtocol});
  if (!answer) return disproven("tls", answer.error().message);
  if (answer->protocol != kProtocol) {
    return disproven("unauthorized", fmt::format("{}: the server did not agree on {}",
                                                 connection.attempt(), kProtocol));
  }
  const std::string fault = fault_of(answer->leaf, context.validation);
  if (fault.empty()) return {};
  return disproven("unauthorized",
                   fmt::format("{}: the certificate {}", connection.attempt(), fault));
}

}  // namespace everseal::ca
