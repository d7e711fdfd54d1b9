#include <fmt/format.h>

#include <algorithm>

#include "base/encoding.h"
#include "ca/json.h"
#include "ca/resources.h"
#include "crypto/received_jws.h"

namespace everseal::ca {
namespace {

constexpr std::size_t kMostContacts = 10;
constexpr std::size_t kMostContactBytes = 254;
constexpr std::size_t kOrdersOnAPage = 50;
constexpr std::string_view kMailto = "mailto:";

bool is_printable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
}

// One address and no header fields (RFC 8555 §7.3).
bool is_address(std::string_view text) {
  const std::size_t at = text.find('@');
  return at != text.npos && at > 0 && at + 1 < text.size() && text.rfind('@') == at &&
         text.find_first_of("?,%<>\"\\") == text.npos;
}

Checked<> check_contact(const std::string& contact) {
  const std::string shown = base::printable(contact, 100);
  if (!contact.starts_with(kMailto))
    return refuse(400, "unsupportedContact", fmt::format("'{}' is no mailto: URL", shown));
  const bool good = contact.size() <= kMostContactBytes && is_printable(contact) &&
                    is_address(std::string_view(contact).substr(kMailto.size()));
  if (good) return {};
  return refuse(400, "invalidContact", fmt::format("'{}' is not one e-mail address", shown));
}

Checked<std::vector<std::string>> read_contacts(const Object& payload) {
  auto contacts = TRY(payload.texts("contact"));
  if (contacts.size() > kMostContacts)
    return refuse(400, "invalidContact", fmt::format("more than {} contacts", kMostContacts));
  for (const std::string& each : contacts) TRY(check_contact(each));
  return contacts;
}

// RFC 8555 §7.3.4. The key id of the external account; empty if the CA has none.
Checked<std::string> read_binding(const Policy& policy, const Call& call, const Object& payload) {
  constexpr const char* kMember = "externalAccountBinding";
  if (policy.external_accounts.empty() && !policy.external_account_required) return std::string();
  if (!payload.has(kMember)) {
    if (!policy.external_account_required) return std::string();
    return refuse(403, "externalAccountRequired", "the CA makes accounts only for its customers");
  }
  const auto binding = crypto::parse_external_account_binding(TRY(payload.object_text(kMember)));
  if (!binding) {
    const bool is_algorithm = binding.error().kind == ErrorKind::rejected;
    return refuse(400, is_algorithm ? "badSignatureAlgorithm" : "malformed",
                  binding.error().message);
  }
  const auto key = policy.external_accounts.find(binding->kid);
  if (key == policy.external_accounts.end()) return unauthorized("the external account is unknown");
  const std::string mac_key = TRY(base::decode_base64url(key->second));
  const auto verified = binding->verify(mac_key, *call.key, call.url);
  if (!verified) return unauthorized(verified.error().message);
  return binding->kid;
}

http::Response show(const Context& context, const Call& call, const Account& account, int status) {
  Json json = {{"status", to_string(account.status)},
               {"contact", account.contacts},
               {"orders", account_url(call.base, account.id) + "/orders"}};
  if (!context.policy.terms_of_service.empty())
    json["termsOfServiceAgreed"] = account.agreed_terms == context.policy.terms_of_service;
  http::Response response = respond(status, dump(json));
  response.headers.push_back({"Location", account_url(call.base, account.id)});
  return response;
}

Checked<> check_rate(Context& context, const Call& call) {
  if (!context.policy.limits) return {};
  const Limit& limit = context.policy.limits->accounts_per_address;
  const std::string bucket = "accounts " + call.network;
  const auto wait = TRY(context.limits.wait(bucket, limit));
  if (wait) return rate_limited("too many new accounts from this address", *wait);
  TRY(context.limits.take(bucket, limit));
  return {};
}

Checked<> accept_terms(const Context& context, const Object& payload, Account& account) {
  const std::string& terms = context.policy.terms_of_service;
  if (!terms.empty() && TRY(payload.flag("termsOfServiceAgreed"))) account.agreed_terms = terms;
  return {};
}

// RFC 8555 §7.3.1. Whoever agrees to new terms by asking anew has agreed.
Answered show_existing(Context& context, const Call& call, const Object& payload, Account account) {
  if (account.status != AccountStatus::valid)
    return refuse(401, "unauthorized",
                  fmt::format("the account of this key is {}", to_string(account.status)));
  const std::string agreed = account.agreed_terms;
  TRY(accept_terms(context, payload, account));
  if (account.agreed_terms != agreed) TRY(context.ledger.update(account));
  return show(context, call, account, 200);
}

Checked<const Account*> own(const Call& call) {
  if (to_number(call.words.front()) == call.account->id) return &*call.account;
  return unauthorized("this account is not that of the URL");
}

}  // namespace

Refusal action_required(const Policy& policy, std::string detail) {
  Refusal refusal(
      acme::Problem{.type = "userActionRequired", .detail = std::move(detail), .status = 403});
  refusal.instance = policy.terms_of_service;
  refusal.headers.push_back(
      {"Link", fmt::format("<{}>;rel=\"terms-of-service\"", policy.terms_of_service)});
  return refusal;
}

Answered new_account(Context& context, const Call& call) {
  const Object payload = TRY(Object::parse(call.payload));
  if (auto known = TRY(context.ledger.account_of_key(call.key->thumbprint())))
    return show_existing(context, call, payload, *std::move(known));
  if (TRY(payload.flag("onlyReturnExisting")))
    return refuse(400, "accountDoesNotExist", "there is no account of this key");

  Account made{
      .jwk = call.key->jwk(), .thumbprint = call.key->thumbprint(), .created_at = call.now};
  made.contacts = TRY(read_contacts(payload));
  made.external_account = TRY(read_binding(context.policy, call, payload));
  TRY(accept_terms(context, payload, made));
  if (made.agreed_terms != context.policy.terms_of_service)
    return std::unexpected(
        action_required(context.policy, "the terms of service are not agreed to"));
  TRY(check_rate(context, call));
  TRY(context.ledger.add(made));
  return show(context, call, made, 201);
}

// §7.3.2, §7.3.6.
Answered account(Context& context, const Call& call) {
  Account changed = *TRY(own(call));
  if (call.payload.empty()) return show(context, call, changed, 200);
  const Object payload = TRY(Object::parse(call.payload));
  const auto status = TRY(payload.optional_text("status"));
  if (status == "deactivated")
    changed.status = AccountStatus::deactivated;
  else if (status && status != to_string(changed.status))
    return malformed("a \"status\" can be set to \"deactivated\" alone");
  if (payload.has("contact")) changed.contacts = TRY(read_contacts(payload));
  TRY(accept_terms(context, payload, changed));
  TRY(context.ledger.update(changed));
  return show(context, call, changed, 200);
}

// §7.1.2.1. The second word is the order after which the page begins.
Answered orders(Context& context, const Call& call) {
  const Account& of = *TRY(own(call));
  const std::int64_t after = call.words.size() > 1 ? to_number(call.words[1]) : 0;
  const auto page = TRY(context.ledger.orders(of.id, after, kOrdersOnAPage));
  Json urls = Json::array();
  for (const Order& each : page)
    if (TRY(standing(context, each, call.now)).status != OrderStatus::invalid)
      urls.push_back(order_url(call.base, each.id));
  http::Response response = respond(200, dump({{"orders", std::move(urls)}}));
  if (page.size() == kOrdersOnAPage)
    response.headers.push_back(
        {"Link", fmt::format("<{}/orders/{}>;rel=\"next\"", account_url(call.base, of.id),
                             page.back().id)});
  return response;
}

}  // namespace everseal::ca
