#include "acme/fake_ca.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/encoding.h"

namespace everseal::acme {
namespace {

using nlohmann::json;

constexpr const char* kOrigin = "https://ca.test";

std::string url(const std::string& path, int number) {
  return fmt::format("{}{}{}", kOrigin, path, number);
}

// "/order/" and 7 of "https://ca.test/order/7".
std::pair<std::string, int> split(const std::string& target) {
  const std::string path = target.substr(target.find('/', std::string_view("https://").size()));
  const std::size_t digits = path.find_last_not_of("0123456789") + 1;
  return {path.substr(0, digits), digits < path.size() ? std::stoi(path.substr(digits)) : 0};
}

std::string payload_of(const json& jws) {
  return *base::decode_base64url(jws.at("payload").get<std::string>());
}

std::string nonce_of(const json& jws) {
  const auto header = json::parse(*base::decode_base64url(jws.at("protected").get<std::string>()));
  return header.at("nonce").get<std::string>();
}

json identifier(const std::string& name) { return {{"type", "dns"}, {"value", name}}; }

http::Response reply(const json& body, int status = 200) {
  return {.status = status, .headers = {}, .body = body.dump()};
}

}  // namespace

Result<std::string> FakeSigner::sign(const crypto::JwsHeader& header, const Payload& payload) {
  struct Text {
    const Registration& registration;
    Result<std::string> operator()(const payload::PostAsGet&) const { return kPostAsGet; }
    Result<std::string> operator()(const payload::FindAccount&) const { return kFindAccount; }
    Result<std::string> operator()(const payload::NewAccount&) const {
      return new_account_json(registration, "");
    }
    Result<std::string> operator()(const payload::NewOrder& order) const {
      return new_order_json(order);
    }
    Result<std::string> operator()(const payload::AnswerChallenge&) const {
      return kAnswerChallenge;
    }
    Result<std::string> operator()(const payload::Deactivate&) const { return kDeactivate; }
    Result<std::string> operator()(const payload::Finalize&) const { return finalize_json("csr"); }
    Result<std::string> operator()(const payload::ChangeKey&) const {
      return base::rejected("there is no next key");
    }
  };
  return crypto::sign_jws(key_, header, TRY(std::visit(Text{registration}, payload)));
}

http::Response FakeCa::problem(int status, const std::string& type, const std::string& detail) {
  return reply({{"type", "urn:ietf:params:acme:error:" + type}, {"detail", detail}}, status);
}

int FakeCa::count(const std::string& entry) const {
  return static_cast<int>(std::ranges::count(log, entry));
}

void FakeCa::send(std::uint64_t id, http::Request request) {
  const bool post = request.method == http::Method::post;
  const auto [path, number] = split(request.url);
  const std::string payload = post ? payload_of(json::parse(request.body)) : "";
  log.push_back(fmt::format("{} {}", post ? "POST" : "GET", path));
  Fault happens = fault(path, payload);
  http::Response response;
  if (happens.kind == Fault::none || happens.kind == Fault::drop_reply) {
    response = handle(request);
  } else if (happens.kind == Fault::answer) {
    response = std::move(happens.response);
  }
  if (happens.kind == Fault::drop_reply || happens.kind == Fault::drop_request) {
    return completions_.push_back({id, base::transient("the connection was reset")});
  }
  if (path != "/dir") {
    nonces_.insert(fmt::format("nonce{}", next_nonce_));
    response.headers.push_back({"Replay-Nonce", fmt::format("nonce{}", next_nonce_++)});
  }
  completions_.push_back({id, std::move(response)});
}

std::vector<http::Completion> FakeCa::wait(Instant deadline) {
  if (completions_.empty() && deadline > clock_.steady_now()) {
    clock_.advance(std::chrono::ceil<base::Milliseconds>(deadline - clock_.steady_now()));
  }
  std::vector<http::Completion> all(std::make_move_iterator(completions_.begin()),
                                    std::make_move_iterator(completions_.end()));
  completions_.clear();
  return all;
}

http::Response FakeCa::handle(const http::Request& request) {
  const auto [path, number] = split(request.url);
  if (path == "/dir") {
    json meta = {{"externalAccountRequired", external_account_required}};
    if (!terms.empty()) meta["termsOfService"] = terms;
    json directory = {{"newNonce", "https://ca.test/nonce"},
                      {"newAccount", "https://ca.test/new-account"},
                      {"newOrder", "https://ca.test/new-order"},
                      {"meta", meta}};
    if (!renewal_info.empty()) directory["renewalInfo"] = "https://ca.test/renewal-info";
    return reply(directory);
  }
  if (path.starts_with("/renewal-info/"))
    return {.status = 200, .headers = {}, .body = renewal_info};
  if (path == "/nonce") return {.status = 200, .headers = {}, .body = ""};
  const json jws = json::parse(request.body);
  if (nonces_.erase(nonce_of(jws)) == 0) return problem(400, "badNonce", "never heard of it");
  return route(path, number, payload_of(jws));
}

http::Response FakeCa::route(const std::string& path, int number, const std::string& payload) {
  if (path == "/new-account" || path == "/account/") return account(payload);
  if (path == "/new-order") return new_order(payload);
  if (path == "/orders/") return list(number);
  const std::size_t known =
      path == "/authz/" || path == "/chall/" ? authorizations.size() : orders.size();
  const auto index = static_cast<std::size_t>(number);
  if (index >= known) return problem(404, "malformed", "no such thing");
  if (path == "/order/") return show_order(number);
  if (path == "/finalize/") return finalize(number, payload);
  if (path == "/authz/") {
    if (!payload.empty()) authorizations[index].status = "deactivated";
    return show_authorization(number);
  }
  if (path == "/chall/") {
    authorizations[index].responded = true;
    return reply({{"type", "http-01"}, {"url", url("/chall/", number)}, {"status", "pending"}});
  }
  if (path == "/alt/") {
    return {.status = 200, .headers = {}, .body = orders[index].alternate_chain};
  }
  return {.status = 200,
          .headers = {{"Link", fmt::format("<{}>;rel=\"alternate\"", url("/alt/", number))}},
          .body = orders[index].chain};
}

http::Response FakeCa::account(const std::string& payload) {
  const json wanted = payload.empty() ? json::object() : json::parse(payload);
  if (!account_exists && wanted.value("onlyReturnExisting", false)) {
    return problem(400, "accountDoesNotExist", "no account for this key");
  }
  account_exists = true;
  json body = {{"status", "valid"}};
  if (has_order_list) body["orders"] = url("/orders/", 0);
  http::Response response = reply(body);
  response.headers.push_back({"Location", "https://ca.test/account/1"});
  return response;
}

// Two orders to a page.
http::Response FakeCa::list(int page) {
  json urls = json::array();
  const int first = 2 * page, end = std::min(first + 2, static_cast<int>(orders.size()));
  for (int i = first; i < end; i++) urls.push_back(url("/order/", i));
  http::Response response = reply({{"orders", urls}});
  if (end < static_cast<int>(orders.size())) {
    response.headers.push_back(
        {"Link", fmt::format("<{}>;rel=\"next\"", url("/orders/", page + 1))});
  }
  return response;
}

http::Response FakeCa::new_order(const std::string& payload) {
  const json wanted = json::parse(payload);
  Order asked{.names = {},
              .replaces = wanted.value("replaces", ""),
              .profile = wanted.value("profile", "")};
  if (has_replaced && !asked.replaces.empty()) return problem(409, "alreadyReplaced", "it was");
  if (!asked.profile.empty() && asked.profile != profile)
    return problem(400, "invalidProfile", "no such profile");
  Order& order = orders.emplace_back(std::move(asked));
  for (const json& each : wanted.at("identifiers")) {
    order.names.push_back(each.at("value"));
    order.authorizations.push_back(static_cast<int>(authorizations.size()));
    authorizations.push_back(
        {.name = order.names.back(), .status = authorizations_reused ? "valid" : "pending"});
  }
  http::Response response = show_order(static_cast<int>(orders.size()) - 1);
  response.status = 201;
  response.headers.push_back({"Location", url("/order/", static_cast<int>(orders.size()) - 1)});
  return response;
}

http::Response FakeCa::show_order(int number) {
  Order& order = orders[static_cast<std::size_t>(number)];
  auto all = [&](const std::string& status) {
    return std::ranges::all_of(order.authorizations, [&](int each) {
      return authorizations[static_cast<std::size_t>(each)].status == status;
    });
  };
  if (order.status == "pending" && all("valid")) order.status = "ready";
  if (order.status == "processing" && ++order.polls > polls_until_valid) order.status = "valid";
  json body = {{"status", order.status}, {"finalize", url("/finalize/", number)}};
  for (const std::string& name : order.names) body["identifiers"].push_back(identifier(name));
  for (int each : order.authorizations) body["authorizations"].push_back(url("/authz/", each));
  if (order.status == "valid") body["certificate"] = url("/cert/", number);
  return reply(body);
}

http::Response FakeCa::show_authorization(int number) {
  Authorization& authorization = authorizations[static_cast<std::size_t>(number)];
  json challenge = {{"type", "http-01"},
                    {"url", url("/chall/", number)},
                    {"token", fmt::format("token-of-at-least-22-bytes-{}", number)}};
  if (authorization.responded && authorization.status == "pending" &&
      ++authorization.polls > polls_until_valid) {
    authorization.status = refused.contains(authorization.name) ? "invalid" : "valid";
  }
  if (authorization.status == "invalid") {
    challenge["error"] = {{"type", "urn:ietf:params:acme:error:unauthorized"},
                          {"detail", refused.at(authorization.name)}};
  }
  const bool wildcard = authorization.name.starts_with("*.");
  if (wildcard) challenge["type"] = "dns-01";
  auto response = reply({{"status", authorization.status},
                         {"identifier", identifier(authorization.name.substr(wildcard ? 2 : 0))},
                         {"wildcard", wildcard},
                         {"challenges", {challenge}}});
  if (!retry_after.empty()) response.headers.push_back({"Retry-After", retry_after});
  return response;
}

// The certificate is for a key of our own: the client does not look.
http::Response FakeCa::finalize(int number, const std::string& payload) {
  Order& order = orders[static_cast<std::size_t>(number)];
  show_order(number);
  if (order.status != "ready" || !json::parse(payload).contains("csr")) {
    return problem(403, "orderNotReady", "not ready");
  }
  const Time now = clock_.now();
  const crypto::FakeLeaf leaf{.public_key_der = intermediate_.certificate().public_key_der(),
                              .names = order.names,
                              .addresses = {},
                              .not_before = now,
                              .not_after = now + std::chrono::days(90)};
  order.chain = intermediate_.issue(leaf).pem() + intermediate_.certificate().pem();
  order.alternate_chain = other_root_.issue(leaf).pem() + other_root_.certificate().pem();
  order.status = "processing";
  return show_order(number);
}

}  // namespace everseal::acme
