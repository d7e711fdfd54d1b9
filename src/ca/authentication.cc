#include "ca/authentication.h"

#include <fmt/format.h>

#include "base/encoding.h"
#include "crypto/received_jws.h"

namespace everseal::ca {
namespace {

constexpr std::size_t kMostKeys = 10'000;

// §6.2.
Checked<> check_content_type(const http::Request& request) {
  const std::string* const type = request.header("Content-Type");
  if (type && *type == "application/jose+json") return {};
  return refuse(415, "malformed", "the content type is not application/jose+json");
}

Checked<crypto::ReceivedJws> read_jws(const std::string& body) {
  auto jws = crypto::parse_jws(body);
  if (jws) return *std::move(jws);
  if (jws.error().kind != ErrorKind::rejected) return malformed(jws.error().message);
  auto refusal = refuse(400, "badSignatureAlgorithm", jws.error().message);
  refusal.error().algorithms = {"ES256", "ES384", "RS256"};
  return refusal;
}

Checked<crypto::PublicKey> read_key(const std::string& jwk) {
  auto key = crypto::PublicKey::from_jwk(jwk);
  if (key) return *std::move(key);
  return key.error().kind == ErrorKind::rejected ? refuse(400, "badPublicKey", key.error().message)
                                                 : malformed(key.error().message);
}

// §6.2: the key id is the account's URL. §7.3.6: only valid accounts are let in.
Checked<Account> find_account(Context& context, const Call& call, const std::string& kid) {
  const std::string prefix = call.base + "/account/";
  const std::int64_t id =
      kid.starts_with(prefix) ? to_number(std::string_view(kid).substr(prefix.size())) : 0;
  auto found = TRY(context.ledger.account(id));
  if (!found)
    return refuse(400, "accountDoesNotExist",
                  fmt::format("there is no account {}", base::printable(kid, 200)));
  if (found->status == AccountStatus::valid) return *std::move(found);
  return refuse(401, "unauthorized", fmt::format("the account is {}", to_string(found->status)));
}

Checked<> check_signer(const crypto::ReceivedJws& jws, Signer signer) {
  if (signer == Signer::account && jws.kid.empty())
    return malformed("the request is signed by a \"jwk\" where an account's \"kid\" is due");
  if (signer == Signer::key && jws.jwk.empty())
    return malformed("the request is signed by a \"kid\" where a \"jwk\" is due");
  return {};
}

}  // namespace

Checked<crypto::PublicKey> KeyCache::find(const Account& account) {
  const auto known = keys_.find(account.thumbprint);
  if (known != keys_.end()) return known->second;
  crypto::PublicKey key = TRY(crypto::PublicKey::from_jwk(account.jwk));
  if (keys_.size() >= kMostKeys) keys_.clear();
  keys_.emplace(account.thumbprint, key);
  return key;
}

Checked<> authenticate(Context& context, KeyCache& keys, const http::Request& request,
                       Signer signer, Call& call) {
  TRY(check_content_type(request));
  crypto::ReceivedJws jws = TRY(read_jws(request.body));
  TRY(check_signer(jws, signer));
  if (!jws.kid.empty()) call.account = TRY(find_account(context, call, jws.kid));
  call.key = call.account ? TRY(keys.find(*call.account)) : TRY(read_key(jws.jwk));
  if (const auto verified = jws.verify(*call.key); !verified)
    return malformed(verified.error().message);
  if (jws.url != call.url)
    return unauthorized(fmt::format("the signed \"url\" is not {}", call.url));
  if (!context.nonces.use(jws.nonce)) return refuse(400, "badNonce", "the nonce is not good");
  call.payload = std::move(jws.payload);
  return {};
}

}  // namespace everseal::ca
