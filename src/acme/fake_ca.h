// An ACME CA in memory behind a fake Transport, for tests: RFC 8555 as far as a client sees it,
// with faults by request.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "acme/signer.h"
#include "base/clock.h"
#include "crypto/fake_authority.h"
#include "http/transport.h"

namespace everseal::acme {

// Signs whatever is asked with a key that it holds.
class FakeSigner : public Signer {
 public:
  Result<std::string> sign(const crypto::JwsHeader& header, const Payload& payload) override;

  Registration registration;

 private:
  crypto::PrivateKey key_ = *crypto::PrivateKey::generate(crypto::KeyType::ecdsa_p256);
};

// The CA and the way to it. Time passes while it is waited for. Signatures are not verified.
class FakeCa : public http::Transport {
 public:
  explicit FakeCa(base::FakeClock& clock) : clock_(clock) {}

  static constexpr const char* kDirectory = "https://ca.test/dir";

  void send(std::uint64_t id, http::Request request) override;
  std::vector<http::Completion> wait(Instant deadline) override;

  // What the CA does with a request instead of answering it well. The path is that of the URL with
  // its number cut off: "/order/". `drop_reply` lets it take effect all the same.
  struct Fault {
    enum Kind { none, drop_request, drop_reply, answer } kind = none;
    http::Response response{};
  };
  // Asked before each request with its path and payload; none by default.
  std::function<Fault(const std::string& path, const std::string& payload)> fault =
      [](const std::string&, const std::string&) { return Fault(); };

  static http::Response problem(int status, const std::string& type, const std::string& detail);

  // How the CA behaves; set before it is used.
  std::string terms;  // URL
  bool external_account_required = false;
  bool has_order_list = true;
  bool authorizations_reused = false;  // orders are ready at once
  int polls_until_valid = 1;           // of an authorization and of a processing order
  std::string retry_after;             // with every authorization
  std::string renewal_info;            // of every certificate, as JSON; empty: there is none
  bool has_replaced = false;           // orders that replace a certificate are refused
  std::string profile = "classic";     // the only one
  std::map<std::string, std::string> refused;  // name → detail of its failed validation

  // What it saw.
  std::vector<std::string> log;  // "POST /new-order"
  int count(const std::string& entry) const;
  struct Order {
    std::vector<std::string> names;
    std::string replaces{}, profile{};
    std::string status = "pending";
    std::vector<int> authorizations{};
    std::string chain{}, alternate_chain{};
    int polls = 0;
  };
  struct Authorization {
    std::string name;
    std::string status = "pending";
    bool responded = false;
    int polls = 0;
  };
  std::vector<Order> orders;  // number n at index n
  std::vector<Authorization> authorizations;
  bool account_exists = false;

 private:
  http::Response handle(const http::Request& request);
  http::Response route(const std::string& path, int number, const std::string& payload);
  http::Response new_order(const std::string& payload);
  http::Response show_order(int number);
  http::Response show_authorization(int number);
  http::Response finalize(int number, const std::string& payload);
  http::Response account(const std::string& payload);
  http::Response list(int page);

  base::FakeClock& clock_;
  std::deque<http::Completion> completions_;
  std::set<std::string> nonces_;
  int next_nonce_ = 1;
  crypto::FakeAuthority root_{"Root"}, intermediate_{"Intermediate", &root_},
      other_root_{"Other Root"};
};

}  // namespace everseal::acme
