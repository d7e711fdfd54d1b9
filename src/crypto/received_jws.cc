#include "crypto/received_jws.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/hmac.h>

#include <array>

#include "base/encoding.h"
#include "base/json.h"
#include "crypto/openssl.h"

namespace everseal::crypto {
namespace {

using base::JsonMembers;

constexpr std::size_t kMostBytes = 64 << 10;

struct MacAlgorithm {
  std::string_view name;
  const EVP_MD* (*digest)();
};
constexpr MacAlgorithm kMacAlgorithms[] = {
    {"HS256", EVP_sha256}, {"HS384", EVP_sha384}, {"HS512", EVP_sha512}};

const MacAlgorithm* find_mac(std::string_view name) {
  for (const MacAlgorithm& each : kMacAlgorithms) {
    if (each.name == name) return &each;
  }
  return nullptr;
}

// The parts of the flattened JSON serialization (RFC 7515 §7.2.2).
struct Flattened {
  JsonMembers header;
  std::string payload, signed_text, signature;
};

Result<std::string> decoded(const JsonMembers& members, std::string_view name) {
  auto bytes = base::decode_base64url(TRY(members.text(name)));
  if (!bytes) return base::invalid(fmt::format("\"{}\" is not base64url", name));
  return bytes;
}

// RFC 8555 §6.2 allows neither several signatures nor unprotected headers, RFC 7515 §4.1.11 no
// critical member that is not understood, and RFC 7797 is one of those.
Result<> check_form(const JsonMembers& members, const JsonMembers& header) {
  if (members.has("signatures")) return base::invalid("more than one signature");
  if (members.has("header")) return base::invalid("an unprotected header");
  if (header.has("crit")) return base::invalid("a critical header that is not understood");
  if (header.has("b64")) return base::invalid("a payload that is not base64url");
  return {};
}

Result<Flattened> parse_flattened(std::string_view text) {
  if (text.size() > kMostBytes) return base::invalid("larger than 64 KiB");
  const auto members = TRY(JsonMembers::parse(text));
  auto header = TRY(
      base::within("the protected header", JsonMembers::parse(TRY(decoded(members, "protected")))));
  TRY(check_form(members, header));
  return Flattened{.header = std::move(header),
                   .payload = TRY(decoded(members, "payload")),
                   .signed_text = fmt::format("{}.{}", TRY(members.text("protected")),
                                              TRY(members.text("payload"))),
                   .signature = TRY(decoded(members, "signature"))};
}

Result<std::string> supported_algorithm(const JsonMembers& header) {
  std::string name = TRY(header.text("alg"));
  if (name == "ES256" || name == "ES384" || name == "RS256") return name;
  return base::rejected(
      fmt::format("signed with {}; ES256, ES384 and RS256 are known", base::printable(name, 40)));
}

Result<std::string> nonce_of(const JsonMembers& header) {
  if (!header.has("nonce")) return std::string();
  std::string nonce = TRY(header.text("nonce"));
  if (nonce.empty() || !base::decode_base64url(nonce))
    return base::invalid("\"nonce\" is not base64url");
  return nonce;
}

Result<ReceivedJws> read_jws(std::string_view body) {
  Flattened parts = TRY(parse_flattened(body));
  const JsonMembers& header = parts.header;
  if (header.has("jwk") == header.has("kid"))
    return base::invalid("the protected header has not exactly one of \"jwk\" and \"kid\"");
  ReceivedJws jws;
  jws.algorithm = TRY(supported_algorithm(header));
  if (header.has("jwk")) {
    jws.jwk = TRY(header.object("jwk"));
  } else {
    jws.kid = TRY(header.text("kid"));
    if (jws.kid.empty()) return base::invalid("\"kid\" is empty");
  }
  jws.nonce = TRY(nonce_of(header));
  jws.url = TRY(header.text("url"));
  jws.payload = std::move(parts.payload);
  jws.signed_text = std::move(parts.signed_text);
  jws.signature = std::move(parts.signature);
  return jws;
}

Result<ReceivedBinding> read_binding(std::string_view json) {
  Flattened parts = TRY(parse_flattened(json));
  ReceivedBinding binding;
  binding.algorithm = TRY(parts.header.text("alg"));
  if (!find_mac(binding.algorithm)) {
    return base::rejected(fmt::format("signed with {}; HS256, HS384 and HS512 are known",
                                      base::printable(binding.algorithm, 40)));
  }
  if (parts.header.has("nonce")) return base::invalid("a nonce, where none belongs");
  binding.kid = TRY(parts.header.text("kid"));
  binding.url = TRY(parts.header.text("url"));
  binding.payload = std::move(parts.payload);
  binding.signed_text = std::move(parts.signed_text);
  binding.mac = std::move(parts.signature);
  return binding;
}

bool mac_holds(const ReceivedBinding& binding, std::string_view key) {
  const MacAlgorithm* const algorithm = find_mac(binding.algorithm);
  if (!algorithm) return false;
  std::array<unsigned char, EVP_MAX_MD_SIZE> mac;
  unsigned int size = 0;
  HMAC(algorithm->digest(), key.data(), static_cast<int>(key.size()),
       to_unsigned(binding.signed_text), binding.signed_text.size(), mac.data(), &size);
  return binding.mac.size() == size && CRYPTO_memcmp(mac.data(), binding.mac.data(), size) == 0;
}

}  // namespace

Result<ReceivedJws> parse_jws(std::string_view body) {
  return base::within("the JWS", read_jws(body));
}

Result<> ReceivedJws::verify(const PublicKey& key) const {
  return key.verify(algorithm, signed_text, signature);
}

Result<ReceivedBinding> parse_external_account_binding(std::string_view json) {
  return base::within("the external account binding", read_binding(json));
}

Result<> ReceivedBinding::verify(std::string_view mac_key, const PublicKey& account_key,
                                 std::string_view expected_url) const {
  const auto refuse = [](std::string_view why) {
    return base::rejected(fmt::format("the external account binding {}", why));
  };
  if (!mac_holds(*this, mac_key)) return refuse("is not made with the key of its account");
  if (url != expected_url) return refuse("is for another URL");
  const auto bound = PublicKey::from_jwk(payload);
  if (!bound || bound->thumbprint() != account_key.thumbprint())
    return refuse("is for another key than the request");
  return {};
}

}  // namespace everseal::crypto
