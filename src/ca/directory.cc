#include <fmt/format.h>

#include "ca/json.h"
#include "ca/resources.h"

namespace everseal::ca {
namespace {

Json meta(const Policy& policy) {
  Json meta = Json::object();
  if (!policy.terms_of_service.empty()) meta["termsOfService"] = policy.terms_of_service;
  if (!policy.website.empty()) meta["website"] = policy.website;
  if (!policy.caa_identities.empty()) meta["caaIdentities"] = policy.caa_identities;
  meta["externalAccountRequired"] = policy.external_account_required;
  for (const Profile& each : policy.profiles) meta["profiles"][each.name] = each.description;
  return meta;
}

}  // namespace

Answered directory(Context& context, const Call& call) {
  const auto at = [&](const char* path) { return fmt::format("{}/{}", call.base, path); };
  return respond(200, dump({{"newNonce", at("new-nonce")},
                            {"newAccount", at("new-account")},
                            {"newOrder", at("new-order")},
                            {"newAuthz", at("new-authz")},
                            {"revokeCert", at("revoke-cert")},
                            {"keyChange", at("key-change")},
                            {"renewalInfo", at("renewal-info")},
                            {"meta", meta(context.policy)}}));
}

// The nonce itself comes with every response.
Answered new_nonce(Context&, const Call& call) {
  return http::Response{.status = call.method == http::Method::get ? 204 : 200,
                        .headers = {{"Cache-Control", "no-store"}},
                        .body = ""};
}

}  // namespace everseal::ca
