#include <fmt/format.h>

#include <algorithm>

#include "base/address.h"
#include "base/encoding.h"
#include "ca/json.h"
#include "ca/resources.h"

namespace everseal::ca {
namespace {

constexpr std::size_t kTokenBytes = 32;
constexpr base::Seconds kCaaLife = std::chrono::hours(8);

// In the number of a validation: CAA alone is looked at.
constexpr std::uint64_t kAgain = std::uint64_t{1} << 63;

// Wildcards can be proven by dns-01 alone (RFC 8555 §8.3, RFC 8737 §3), addresses not by it (RFC
// 8738 §4).
std::vector<ChallengeType> offered(const Authorization& authorization) {
  using enum ChallengeType;
  if (authorization.wildcard) return {dns_01};
  if (base::canonical_address(authorization.name)) return {http_01, tls_alpn_01};
  return {http_01, dns_01, tls_alpn_01};
}

std::string_view challenge_status(const Authorization& authorization, ChallengeType type) {
  if (authorization.attempted != type) return "pending";
  if (authorization.status == AuthorizationStatus::pending) return "processing";
  return authorization.validated_at != Time() ? "valid" : "invalid";
}

Json challenge_json(const Call& call, const Authorization& authorization, ChallengeType type) {
  Json json = {{"type", to_string(type)},
               {"url", fmt::format("{}/chall/{}/{}", call.base, authorization.id, to_string(type))},
               {"status", challenge_status(authorization, type)},
               {"token", authorization.token}};
  if (authorization.attempted != type) return json;
  if (authorization.validated_at != Time())
    json["validated"] = base::to_rfc3339(authorization.validated_at);
  add_error(json, authorization.error);
  return json;
}

// Once an attempt has decided, its challenge is the only one (§7.1.4).
std::string to_json(const Call& call, const Authorization& authorization) {
  const AuthorizationStatus status = status_at(authorization, call.now);
  Json json = {{"status", to_string(status)},
               {"expires", base::to_rfc3339(authorization.expires)},
               {"identifier", identifier(authorization.name)},
               {"challenges", Json::array()}};
  if (authorization.wildcard) json["wildcard"] = true;
  const bool decided = authorization.status != AuthorizationStatus::pending;
  for (const ChallengeType type : offered(authorization))
    if (!decided || !authorization.attempted || authorization.attempted == type)
      json["challenges"].push_back(challenge_json(call, authorization, type));
  return dump(json);
}

// The authorization of the URL, if it is the caller's.
Checked<Authorization> find_own(Context& context, const Call& call) {
  auto found = TRY(context.ledger.authorization(to_number(call.words.front())));
  if (!found) return no_such("authorization");
  if (found->account != call.account->id)
    return unauthorized("the authorization is another account's");
  return *std::move(found);
}

http::Response created(const Call& call, const Authorization& authorization, int status) {
  http::Response response = respond(status, to_json(call, authorization));
  response.headers.push_back({"Location", authorization_url(call.base, authorization.id)});
  return response;
}

// `network` is that of whoever asks for it; `base` is that of the accounts' URLs.
Validation validation_of(const Authorization& authorization, const Account& account,
                         std::string_view base, std::string network) {
  return {.type = *authorization.attempted,
          .name = authorization.name,
          .wildcard = authorization.wildcard,
          .token = authorization.token,
          .thumbprint = account.thumbprint,
          .account_url = account_url(base, account.id),
          .requester = {.account = account.id, .network = std::move(network)}};
}

// §7.5.1. Whoever answers twice, or another challenge than the one under way, is only shown it.
Checked<> attempt(Context& context, const Call& call, Authorization& authorization,
                  ChallengeType type) {
  TRY(Object::parse(call.payload));
  if (authorization.attempted) return {};
  if (status_at(authorization, call.now) != AuthorizationStatus::pending)
    return malformed(
        fmt::format("the authorization is {}", to_string(status_at(authorization, call.now))));
  authorization.attempted = type;
  TRY(context.ledger.update(authorization));
  context.validations.add(static_cast<std::uint64_t>(authorization.id),
                          validation_of(authorization, *call.account, call.base, call.network));
  return {};
}

std::string failures_bucket(const Authorization& authorization) {
  return fmt::format("failures {} {}", authorization.account, authorization.name);
}
std::string failures_in_a_row_bucket(const Authorization& authorization) {
  return fmt::format("row {} {}", authorization.account, authorization.name);
}

Checked<> count_failure(Context& context, const Authorization& authorization) {
  if (!context.policy.limits) return {};
  const Limits& limits = *context.policy.limits;
  TRY(context.limits.take(failures_bucket(authorization), limits.failures_per_name));
  TRY(context.limits.take(failures_in_a_row_bucket(authorization), limits.failures_in_a_row));
  return {};
}

Checked<> check_failures(Context& context, const Authorization& authorization) {
  if (!context.policy.limits) return {};
  const Limits& limits = *context.policy.limits;
  if (const auto wait = TRY(
          context.limits.wait(failures_in_a_row_bucket(authorization), limits.failures_in_a_row)))
    return rate_limited(fmt::format("orders for {} are paused after too many failures in a row; "
                                    "resume them at https://{}/unpause",
                                    authorization.name, context.host),
                        *wait);
  if (const auto wait =
          TRY(context.limits.wait(failures_bucket(authorization), limits.failures_per_name)))
    return rate_limited(
        fmt::format("too many failed authorizations for {} recently", authorization.name), *wait);
  return {};
}

Checked<> look_again(Context& context, const Authorization& authorization, std::string_view base,
                     const std::string& network) {
  const auto account = TRY(context.ledger.account(authorization.account));
  if (!account || !authorization.attempted) return {};
  Validation look = validation_of(authorization, *account, base, network);
  look.scope = Scope::caa;
  context.validations.add(kAgain | static_cast<std::uint64_t>(authorization.id), std::move(look));
  return {};
}

// Goes on with an order that a restart interrupted, also if nothing is left to look at.
Checked<> resume(Context& context, const Order& order, std::string_view base) {
  if (TRY(look_at_caa_again(context, order, base, {}, context.clock.now())) > 0) return {};
  const auto any = TRY(context.ledger.authorization(order.authorizations.front()));
  return any ? look_again(context, *any, base, {}) : Checked<>();
}

// What a look at CAA alone found.
Checked<> decide_again(Context& context, std::int64_t id, const ValidationOutcome& outcome) {
  auto found = TRY(context.ledger.authorization(id));
  if (!found) return {};
  if (!outcome.problem) {
    found->caa_at = context.clock.now();
    TRY(context.ledger.update(*found));
  }
  return go_on_with_orders(context, *found, outcome.problem);
}

}  // namespace

// Who may issue for the name can have changed between the validation and the order.
bool is_caa_stale(const Policy& policy, const Order& order, const Authorization& authorization,
                  Time now) {
  return !policy.caa_identities.empty() && !base::canonical_address(authorization.name) &&
         authorization.caa_at < std::max(order.created_at, now - kCaaLife);
}

Checked<std::size_t> look_at_caa_again(Context& context, const Order& order, std::string_view base,
                                       const std::string& network, Time now) {
  if (context.policy.caa_identities.empty()) return 0;
  std::size_t looks = 0;
  for (const std::int64_t id : order.authorizations) {
    const auto each = TRY(context.ledger.authorization(id));
    if (!each || !is_caa_stale(context.policy, order, *each, now)) continue;
    TRY(look_again(context, *each, base, network));
    looks++;
  }
  return looks;
}

AuthorizationStatus status_at(const Authorization& authorization, Time now) {
  if (now < authorization.expires) return authorization.status;
  if (authorization.status == AuthorizationStatus::valid) return AuthorizationStatus::expired;
  if (authorization.status == AuthorizationStatus::pending) return AuthorizationStatus::invalid;
  return authorization.status;
}

Checked<Authorization> find_or_make_authorization(Context& context, const Call& call,
                                                  std::string_view name, const Profile& profile) {
  const bool wildcard = name.starts_with("*.");
  const std::string_view base_name = name.substr(wildcard ? 2 : 0);
  const std::int64_t account = call.account->id;
  if (auto found = TRY(context.ledger.valid_authorization(account, base_name, wildcard, call.now)))
    return *std::move(found);
  Authorization made{.account = account,
                     .name = std::string(base_name),
                     .wildcard = wildcard,
                     .expires = call.now + profile.pending_life,
                     .reuse = profile.terms_at(call.now).authorization_reuse,
                     .token = base::base64url(context.random(kTokenBytes))};
  TRY(check_failures(context, made));
  TRY(context.ledger.add(made));
  return made;
}

Answered new_authorization(Context& context, const Call& call) {
  const Object payload = TRY(Object::parse(call.payload));
  const Profile& profile = context.policy.profiles.front();
  const auto names = TRY(read_identifiers(profile, {TRY(payload.object("identifier"))}));
  if (names.front().starts_with("*."))
    return malformed("a wildcard cannot be authorized before it is ordered");
  const Authorization found =
      TRY(find_or_make_authorization(context, call, names.front(), profile));
  return created(call, found, found.status == AuthorizationStatus::pending ? 201 : 200);
}

// §7.5, §7.5.2.
Answered authorization(Context& context, const Call& call) {
  Authorization found = TRY(find_own(context, call));
  if (!call.payload.empty()) {
    const Object payload = TRY(Object::parse(call.payload));
    if (TRY(payload.text("status")) != "deactivated")
      return malformed("a \"status\" can be set to \"deactivated\" alone");
    const AuthorizationStatus status = status_at(found, call.now);
    if (status != AuthorizationStatus::pending && status != AuthorizationStatus::valid)
      return malformed(fmt::format("the authorization is {}", to_string(status)));
    found.status = AuthorizationStatus::deactivated;
    TRY(context.ledger.update(found));
  }
  return respond(200, to_json(call, found));
}

Answered challenge(Context& context, const Call& call) {
  Authorization found = TRY(find_own(context, call));
  const auto type = parse_challenge_type(call.words[1]);
  const std::vector<ChallengeType> all = offered(found);
  if (!type || std::ranges::find(all, *type) == all.end()) return no_such("challenge");
  if (!call.payload.empty()) TRY(attempt(context, call, found, *type));
  http::Response response = respond(200, dump(challenge_json(call, found, *type)));
  response.headers.push_back(
      {"Link", fmt::format("<{}>;rel=\"up\"", authorization_url(call.base, found.id))});
  return response;
}

Checked<> decide(Context& context, const ValidationOutcome& outcome) {
  const auto id = static_cast<std::int64_t>(outcome.id & ~kAgain);
  if ((outcome.id & kAgain) != 0) return decide_again(context, id, outcome);
  auto found = TRY(context.ledger.authorization(id));
  if (!found || found->status != AuthorizationStatus::pending) return {};  // deactivated meanwhile
  const Time now = context.clock.now();
  if (outcome.problem) {
    found->status = AuthorizationStatus::invalid;
    found->error = ca::to_json(*outcome.problem);
    TRY(count_failure(context, *found));
  } else {
    found->status = AuthorizationStatus::valid;
    found->validated_at = found->caa_at = now;
    found->expires = now + found->reuse;
    if (context.policy.limits) TRY(context.limits.fill(failures_in_a_row_bucket(*found)));
  }
  TRY(context.ledger.update(*found));
  return {};
}

Checked<> resume_validations(Context& context, std::string_view base) {
  for (const Authorization& each : TRY(context.ledger.undecided_authorizations())) {
    const auto account = TRY(context.ledger.account(each.account));
    if (account)
      context.validations.add(static_cast<std::uint64_t>(each.id),
                              validation_of(each, *account, base, {}));
  }
  for (const Order& each : TRY(context.ledger.processed_orders())) TRY(resume(context, each, base));
  return {};
}

}  // namespace everseal::ca
