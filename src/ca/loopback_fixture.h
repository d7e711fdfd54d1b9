// What the real client needs besides a transport: its keys and its host, for tests in one process.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "acme/runner.h"
#include "acme/signer.h"
#include "crypto/certificate_request.h"
#include "crypto/jws.h"
#include "crypto/private_key.h"

namespace everseal::ca {

// Signs for an account and makes certificate requests for the names of each issuance.
class LoopbackSigner : public acme::Signer {
 public:
  Result<std::string> sign(const crypto::JwsHeader& header, const acme::Payload& payload) override {
    return crypto::sign_jws(account_key_, header, TRY(std::visit(Text{*this}, payload)));
  }

  std::string thumbprint() const { return crypto::thumbprint(account_key_); }

  std::map<std::uint64_t, std::vector<std::string>> names;  // by issuance
  const crypto::PrivateKey key = *crypto::PrivateKey::generate(crypto::KeyType::ecdsa_p256);

 private:
  // The same for the same names: the key is always the same.
  Result<std::string> request_for(const std::vector<std::string>& all) {
    std::string& request = requests_[all];
    if (request.empty()) request = TRY(crypto::make_certificate_request(key, all));
    return request;
  }

  struct Text {
    LoopbackSigner& signer;
    using Written = Result<std::string>;
    Written operator()(const acme::payload::PostAsGet&) const { return acme::kPostAsGet; }
    Written operator()(const acme::payload::FindAccount&) const { return acme::kFindAccount; }
    Written operator()(const acme::payload::NewAccount&) const {
      return acme::new_account_json({.terms_agreed = true}, "");
    }
    Written operator()(const acme::payload::NewOrder& order) const {
      return acme::new_order_json(order);
    }
    Written operator()(const acme::payload::AnswerChallenge&) const {
      return acme::kAnswerChallenge;
    }
    Written operator()(const acme::payload::Deactivate&) const { return acme::kDeactivate; }
    Written operator()(const acme::payload::Finalize& finalize) const {
      return acme::finalize_json(TRY(signer.request_for(signer.names.at(finalize.id))));
    }
    Written operator()(const acme::payload::ChangeKey&) const {
      return base::rejected("there is no next key");
    }
  };
  std::map<std::vector<std::string>, std::string> requests_;
  const crypto::PrivateKey account_key_ =
      *crypto::PrivateKey::generate(crypto::KeyType::ecdsa_p256);
};

// Publishes nothing: the validator believes.
class LoopbackHost : public acme::Host {
 public:
  Result<> save_orders(std::span<const acme::OrderRecord>) override { return {}; }
  Result<> publish(const acme::ChallengeResponse& response) override {
    published.insert(response.name);
    return {};
  }
  void retract(const acme::ChallengeResponse& response) override { published.erase(response.name); }
  void progress(std::uint64_t, acme::Step) override {}
  void finished(std::span<const acme::Outcome> all) override {
    for (const acme::Outcome& each : all) outcomes.emplace(each.id, each);
  }
  std::set<std::string> published;
  std::map<std::uint64_t, acme::Outcome> outcomes;
};

}  // namespace everseal::ca
