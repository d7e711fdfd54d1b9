// A CA and its clients in memory, for the tests of each resource.
#pragma once

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/encoding.h"
#include "base/fake_file_system.h"
#include "ca/fake_validator.h"
#include "ca/front_end.h"
#include "ca/issuer.h"
#include "ca/ledger.h"
#include "crypto/certificate.h"
#include "crypto/certificate_request.h"
#include "crypto/jws.h"

namespace everseal::ca {

using nlohmann::json;

inline const Time kStart = *base::parse_rfc3339("2026-11-21T04:00:00Z");
inline constexpr const char* kBase = "https://ca.test:8555";

// The keys of the CA are the same in all tests of a program: making them takes long.
inline const Issuer& shared_issuer() {
  static base::FakeFileSystem files;
  static const Issuer issuer = [] {
    EXPECT_TRUE(files.make_directory("/ca", 0700));
    return *Issuer::open(files, "/ca", kStart);
  }();
  return issuer;
}

// What a CA answered.
struct Reply {
  http::Response response;

  int status() const { return response.status; }
  json body() const { return json::parse(response.body, nullptr, false); }
  // "403 unauthorized: why", or "200".
  std::string summary() const {
    const json document = body();
    if (!document.is_object() || !document.contains("type") || response.status < 400)
      return fmt::to_string(response.status);
    const std::string type = document.at("type");
    constexpr std::string_view kPrefix = "urn:ietf:params:acme:error:";
    return fmt::format("{} {}: {}", response.status, type.substr(kPrefix.size()),
                       document.at("detail").get<std::string>());
  }
  std::string header(std::string_view name) const {
    const std::string* const value = response.header(name);
    return value ? *value : "";
  }
};

class FrontEndTest : public testing::Test {
 protected:
  // A client with its account's key; knows nothing else.
  struct Client {
    crypto::PrivateKey key = *crypto::PrivateKey::generate(crypto::KeyType::ecdsa_p256);
    std::string account{};  // URL, once it has one
  };

  std::string nonce() {
    return *front_end_.handle({.method = http::Method::head, .url = url("/new-nonce")})
                .header("Replay-Nonce");
  }

  static std::string url(const std::string& path) { return kBase + path; }

  Reply get(const std::string& target) {
    return {front_end_.handle({.method = http::Method::get, .url = target})};
  }

  // A POST of these bytes as they are.
  Reply post_raw(const std::string& target, const std::string& body,
                 const std::string& type = "application/jose+json",
                 std::vector<http::Header> more = {}) {
    more.push_back({"Content-Type", type});
    return {front_end_.handle(
        {.method = http::Method::post, .url = target, .headers = std::move(more), .body = body})};
  }

  // A request signed by the account, or, if it has none, by the key. An empty payload is a
  // POST-as-GET.
  Reply post(const Client& client, const std::string& target, const std::string& payload,
             std::vector<http::Header> more = {}) {
    return post_raw(
        target,
        *crypto::sign_jws(client.key, {.url = target, .nonce = nonce(), .kid = client.account},
                          payload),
        "application/jose+json", std::move(more));
  }
  Reply post(const Client& client, const std::string& target, const json& payload) {
    return post(client, target, payload.dump());
  }
  Reply post_as_get(const Client& client, const std::string& target) {
    return post(client, target, std::string());
  }

  Client registered() {
    Client client;
    const Reply made = post(client, url("/new-account"), json{{"termsOfServiceAgreed", true}});
    EXPECT_EQ(made.summary(), "201");
    client.account = made.header("Location");
    return client;
  }

  static json identifiers(const std::vector<std::string>& names) {
    json all = json::array();
    for (const std::string& name : names) all.push_back({{"type", "dns"}, {"value", name}});
    return all;
  }

  Reply order(const Client& client, const std::vector<std::string>& names, json more = {}) {
    more["identifiers"] = identifiers(names);
    return post(client, url("/new-order"), more);
  }

  // Answers the first challenge of each authorization.
  void authorize(const Client& client, const json& order) {
    for (const std::string target : order.at("authorizations")) {
      const json authorization = post_as_get(client, target).body();
      const json& challenge = authorization.at("challenges").at(0);
      if (challenge.at("status") != "pending") continue;
      EXPECT_EQ(post(client, challenge.at("url"), std::string("{}")).summary(), "200");
    }
  }

  // From now on the account has as many validations under way as it may.
  void occupy(const Client& client) {
    for (int number = 0; number < 20; number++) {
      std::vector<std::string> names;
      for (int i = 0; i < 25; i++) names.push_back(fmt::format("n{}.o{}.com", i, number));
      validator_.held.insert(names.begin(), names.end());
      authorize(client, order(client, names).body());
    }
  }

  static std::string request_for(const std::vector<std::string>& names,
                                 const crypto::PrivateKey& key) {
    return base::base64url(*crypto::make_certificate_request(key, names));
  }

  Reply finalize(const Client& client, const json& order, const std::string& request) {
    return post(client, order.at("finalize"), json{{"csr", request}});
  }

  // The order of a certificate for these names.
  json issued(const Client& client, const std::vector<std::string>& names, json more = {}) {
    const Reply made = order(client, names, std::move(more));
    EXPECT_EQ(made.summary(), "201");
    authorize(client, made.body());
    const Reply done = finalize(client, made.body(), request_for(names, key_));
    EXPECT_EQ(done.summary(), "200");
    json body = done.body();
    body["url"] = made.header("Location");
    return body;
  }

  // The leaf of an order.
  crypto::Certificate leaf(const Client& client, const json& order) {
    const Reply chain = post_as_get(client, order.at("certificate"));
    EXPECT_EQ(chain.summary(), "200");
    return crypto::CertificateChain::from_pem(chain.response.body)->leaf();
  }

  // RFC 9773 §4.1.
  static std::string certificate_id(const crypto::Certificate& certificate) {
    return base::base64url(certificate.authority_key_id()) + "." +
           base::base64url(*base::decode_hex(certificate.serial()));
  }

  static OwnNames names() {
    OwnNames all;
    all.add("127.0.0.1", 8555);
    return all;
  }

  void use(Policy policy) { front_end_.set_policy(std::move(policy)); }

  void advance(base::Seconds by) { clock_.advance(by); }

  base::FakeClock clock_{kStart};
  Ledger ledger_ = *Ledger::open(":memory:");
  FakeValidator validator_;
  std::vector<std::string> log_;
  FrontEnd front_end_{ledger_,
                      shared_issuer(),
                      validator_,
                      clock_,
                      {.host = "ca.test:8555",
                       .names = names(),
                       .log = [this](const std::string& text) { log_.push_back(text); }}};
  const crypto::PrivateKey key_ = *crypto::PrivateKey::generate(crypto::KeyType::ecdsa_p256);
};

}  // namespace everseal::ca
