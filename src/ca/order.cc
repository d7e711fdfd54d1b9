#include <fmt/format.h>

#include <algorithm>

#include "base/encoding.h"
#include "ca/faults.h"
#include "ca/json.h"
#include "ca/resources.h"

namespace everseal::ca {
namespace {

constexpr base::Seconds kMostPast = std::chrono::hours(1);  // of a "notBefore"

std::string to_json(const Call& call, const Order& order, const Standing& is) {
  Json json = {{"status", to_string(is.status)},
               {"expires", base::to_rfc3339(order.expires)},
               {"identifiers", Json::array()},
               {"profile", order.profile}};
  for (const std::string& name : order.names) json["identifiers"].push_back(identifier(name));
  if (order.not_before) json["notBefore"] = base::to_rfc3339(*order.not_before);
  if (order.not_after) json["notAfter"] = base::to_rfc3339(*order.not_after);
  for (const std::int64_t each : order.authorizations)
    json["authorizations"].push_back(authorization_url(call.base, each));
  json["finalize"] = order_url(call.base, order.id) + "/finalize";
  if (!order.replaces.empty()) json["replaces"] = order.replaces;
  if (!order.serial.empty())
    json["certificate"] = fmt::format("{}/cert/{}", call.base, order.serial);
  add_error(json, is.error);
  return dump(json);
}

Answered show(Context& context, const Call& call, const Order& order, int status) {
  http::Response response =
      respond(status, to_json(call, order, TRY(standing(context, order, call.now))));
  response.headers.push_back({"Location", order_url(call.base, order.id)});
  if (order.status == OrderStatus::processing) response.headers.push_back({"Retry-After", "1"});
  return response;
}

Checked<std::optional<Time>> read_time(const Object& payload, const char* member) {
  const auto text = TRY(payload.optional_text(member));
  if (!text) return std::nullopt;
  const auto time = base::parse_rfc3339(*text);
  if (!time) return malformed(fmt::format("\"{}\" is not a time of RFC 3339", member));
  return *time;
}

// A life that the profile allows, part of which is to come.
Checked<> check_life(const Order& order, const Profile& profile, Time now) {
  const Time begin = order.not_before.value_or(now);
  if (begin < now - kMostPast) return malformed("\"notBefore\" is in the past");
  if (begin > now + profile.order_life) return malformed("\"notBefore\" is too far in the future");
  if (!order.not_after) return {};
  if (*order.not_after <= begin || *order.not_after <= now)
    return malformed("\"notAfter\" leaves the certificate no life");
  if (*order.not_after - begin >= profile.terms_at(now).validity)
    return malformed(fmt::format("\"notAfter\" is later than the profile {} allows", profile.name));
  return {};
}

// RFC 9773 §5: the certificate is the caller's, of a name of this order, and not yet replaced.
Checked<std::string> read_replaces(Context& context, const Call& call, const Object& payload,
                                   const std::vector<std::string>& names) {
  const auto id = TRY(payload.optional_text("replaces"));
  if (!id) return std::string();
  const CertificateRecord replaced = TRY(find_by_certificate_id(context, *id));
  if (replaced.account != call.account->id)
    return unauthorized("the certificate to be replaced is another account's");
  const auto before = TRY(context.ledger.order(replaced.order));
  const auto shares = [&](const std::string& name) {
    return before && std::ranges::find(before->names, name) != before->names.end();
  };
  if (std::ranges::none_of(names, shares))
    return malformed("the certificate to be replaced has none of the order's names");
  if (replaced.replaced_by != 0)
    return refuse(409, "alreadyReplaced",
                  fmt::format("another order has replaced the certificate {}", replaced.serial));
  return *id;
}

// One that is pending and can still become valid is given again, as Let's Encrypt does: a client
// that lost its URL finds it so.
Checked<std::optional<Order>> find_same(Context& context, const Call& call, const Order& order) {
  if (order.not_before || order.not_after || !order.replaces.empty()) return std::nullopt;
  auto found = TRY(context.ledger.open_order(order.account, order.names, order.profile, call.now));
  if (!found || found->not_before || found->not_after || !found->replaces.empty())
    return std::nullopt;
  if (TRY(standing(context, *found, call.now)).status == OrderStatus::invalid) return std::nullopt;
  return found;
}

Checked<const Profile*> read_profile(const Context& context, const Object& payload) {
  const std::string name = TRY(payload.optional_text("profile")).value_or("");
  if (const Profile* const found = context.policy.find_profile(name)) return found;
  return refuse(400, "invalidProfile",
                fmt::format("there is no profile '{}'", base::printable(name, 80)));
}

// The order of the URL, if it is the caller's.
Checked<Order> find_own(Context& context, const Call& call) {
  auto found = TRY(context.ledger.order(to_number(call.words.front())));
  if (!found) return no_such("order");
  if (found->account != call.account->id) return unauthorized("the order is another account's");
  return *std::move(found);
}

Checked<> add_authorizations(Context& context, const Call& call, const Profile& profile,
                             Order& order) {
  for (const std::string& name : order.names) {
    const Authorization each = TRY(find_or_make_authorization(context, call, name, profile));
    order.authorizations.push_back(each.id);
    order.expires = std::min(order.expires, each.expires);
  }
  return {};
}

}  // namespace

Checked<Standing> standing(Context& context, const Order& order, Time now) {
  Standing is{order.status, order.error};
  if (is.status != OrderStatus::pending) return is;
  bool all_valid = true;
  for (const std::int64_t id : order.authorizations) {
    const auto each = TRY(context.ledger.authorization(id));
    const auto status = each ? status_at(*each, now) : AuthorizationStatus::expired;
    if (status == AuthorizationStatus::valid) continue;
    all_valid = false;
    if (status == AuthorizationStatus::pending) continue;
    return Standing{OrderStatus::invalid, each ? each->error : ""};
  }
  is.status = now >= order.expires ? OrderStatus::invalid
              : all_valid          ? OrderStatus::ready
                                   : OrderStatus::pending;
  return is;
}

Answered new_order(Context& context, const Call& call) {
  const Object payload = TRY(Object::parse(call.payload));
  const Profile& profile = *TRY(read_profile(context, payload));
  Order order{.account = call.account->id,
              .names = TRY(read_identifiers(profile, TRY(payload.objects("identifiers")))),
              .profile = profile.name,
              .created_at = call.now,
              .expires = call.now + profile.order_life};
  order.not_before = TRY(read_time(payload, "notBefore"));
  order.not_after = TRY(read_time(payload, "notAfter"));
  TRY(check_life(order, profile, call.now));
  order.replaces = TRY(read_replaces(context, call, payload, order.names));
  if (const auto same = TRY(find_same(context, call, order)))
    return show(context, call, *same, 201);
  TRY(check_order_rates(context, order));
  TRY(add_authorizations(context, call, profile, order));
  TRY(context.ledger.add(order));
  return show(context, call, order, 201);
}

Answered order(Context& context, const Call& call) {
  return show(context, call, TRY(find_own(context, call)), 200);
}

Answered finalize(Context& context, const Call& call) {
  Order found = TRY(find_own(context, call));
  const OrderStatus status = TRY(standing(context, found, call.now)).status;
  if (status != OrderStatus::ready)
    return refuse(403, "orderNotReady", fmt::format("the order is {}", to_string(status)));
  found.request = TRY(accept_request(context, call, found));
  if (TRY(look_at_caa_again(context, found, call.base, call.network, call.now)) == 0) {
    TRY(issue(context, found, call.fault, call.now));
    return show(context, call, found, 200);
  }
  if (call.fault) context.processed_faults[found.id] = std::make_shared<IssuanceFault>(*call.fault);
  found.status = OrderStatus::processing;
  TRY(context.ledger.update(found));
  return show(context, call, found, 200);
}

}  // namespace everseal::ca
