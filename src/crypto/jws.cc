#include "crypto/jws.h"

#include <fmt/format.h>
#include <openssl/crypto.h>

#include <algorithm>
#include <array>

#include "base/encoding.h"
#include "crypto/hmac.h"
#include "crypto/openssl.h"

namespace everseal::crypto {
namespace {

bool plain(std::string_view text) {
  return std::ranges::all_of(text,
                             [](char c) { return c > ' ' && c <= '~' && c != '"' && c != '\\'; });
}

Result<> check_plain(std::string_view what, std::string_view text) {
  if (plain(text)) return {};
  return base::invalid(
      fmt::format("{} cannot go into a signed header: {}", what, base::printable(text, 100)));
}

std::string protected_header(const PrivateKey& key, const JwsHeader& header) {
  std::string json = fmt::format(R"({{"alg":"{}",)", key.jws_algorithm());
  json += header.kid.empty() ? fmt::format(R"("jwk":{},)", key.public_jwk())
                             : fmt::format(R"("kid":"{}",)", header.kid);
  if (!header.nonce.empty()) json += fmt::format(R"("nonce":"{}",)", header.nonce);
  return json + fmt::format(R"("url":"{}"}})", header.url);
}

// RFC 7515 §7.2.2.
std::string flattened(std::string_view header, std::string_view payload,
                      std::string_view signature) {
  return fmt::format(R"({{"protected":"{}","payload":"{}","signature":"{}"}})", header, payload,
                     base::base64url(signature));
}

}  // namespace

Result<std::string> sign_jws(const PrivateKey& key, const JwsHeader& header,
                             std::string_view payload) {
  TRY(check_plain("the URL", header.url));
  TRY(check_plain("the nonce", header.nonce));
  TRY(check_plain("the key id", header.kid));
  const std::string head = base::base64url(protected_header(key, header));
  const std::string body = base::base64url(payload);
  const std::string signature = TRY(key.sign(fmt::format("{}.{}", head, body)));
  return flattened(head, body, signature);
}

Result<std::string> bind_external_account(const PrivateKey& key, std::string_view url,
                                          const ExternalAccount& account) {
  TRY(check_plain("the URL", url));
  TRY(check_plain("the external account's key id", account.kid));
  auto mac_key = base::decode_base64url(account.mac_key);
  if (!mac_key) return base::invalid("the external account's MAC key is not base64url");
  const std::string head =
      base::base64url(fmt::format(R"({{"alg":"HS256","kid":"{}","url":"{}"}})", account.kid, url));
  const std::string body = base::base64url(key.public_jwk());
  const std::string mac = hmac_sha256(*mac_key, fmt::format("{}.{}", head, body));
  OPENSSL_cleanse(mac_key->data(), mac_key->size());
  return flattened(head, body, mac);
}

std::string thumbprint(const PrivateKey& key) { return base::base64url(sha256(key.public_jwk())); }

std::string sha256(std::string_view bytes) {
  std::array<unsigned char, 32> digest;
  EVP_Digest(bytes.data(), bytes.size(), digest.data(), nullptr, EVP_sha256(), nullptr);
  return {reinterpret_cast<char*>(digest.data()), digest.size()};
}

}  // namespace everseal::crypto
