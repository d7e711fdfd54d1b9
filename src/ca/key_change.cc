#include "ca/json.h"
#include "ca/resources.h"
#include "crypto/received_jws.h"

namespace everseal::ca {
namespace {

// The key that signs the inner JWS: the new one.
Checked<crypto::PublicKey> read_new_key(const crypto::ReceivedJws& inner) {
  if (inner.jwk.empty()) return malformed("the inner JWS does not bring the new key as \"jwk\"");
  auto key = crypto::PublicKey::from_jwk(inner.jwk);
  if (!key) return refuse(400, "badPublicKey", key.error().message);
  if (const auto verified = inner.verify(*key); !verified)
    return malformed("the inner JWS: " + verified.error().message);
  return *std::move(key);
}

// What the inner JWS must say (§7.3.5).
Checked<> check_inner(const crypto::ReceivedJws& inner, const Call& call) {
  if (!inner.nonce.empty()) return malformed("the inner JWS has a nonce");
  if (inner.url != call.url) return malformed("the inner JWS has another \"url\" than the outer");
  const Object payload = TRY(Object::parse(inner.payload));
  if (TRY(payload.text("account")) != account_url(call.base, call.account->id))
    return malformed("\"account\" is not the account that signed");
  const auto old_key = crypto::PublicKey::from_jwk(TRY(payload.object_text("oldKey")));
  if (!old_key || old_key->thumbprint() != call.key->thumbprint())
    return malformed("\"oldKey\" is not the account's key");
  return {};
}

std::unexpected<Refusal> conflict(const Call& call, const Account& with) {
  auto refusal = refuse(409, "malformed", "the new key is that of an account");
  refusal.error().headers.push_back({"Location", account_url(call.base, with.id)});
  return refusal;
}

}  // namespace

Answered key_change(Context& context, const Call& call) {
  const auto inner = crypto::parse_jws(call.payload);
  if (!inner) return malformed("the inner JWS: " + inner.error().message);
  const crypto::PublicKey key = TRY(read_new_key(*inner));
  TRY(check_inner(*inner, call));
  if (const auto known = TRY(context.ledger.account_of_key(key.thumbprint())))
    return conflict(call, *known);
  Account changed = *call.account;
  changed.jwk = key.jwk();
  changed.thumbprint = key.thumbprint();
  TRY(context.ledger.update(changed));
  Call own = call;
  own.account = changed;
  own.payload.clear();
  own.words = {std::to_string(changed.id)};
  return account(context, own);
}

}  // namespace everseal::ca
