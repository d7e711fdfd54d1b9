// One certificate, from nothing to its chain: the decisions, without I/O.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "acme/client.h"
#include "acme/resources.h"
#include "base/clock.h"
#include "base/result.h"

namespace everseal::acme {

// What to issue.
struct IssuanceRequest {
  std::uint64_t id = 0;            // the caller's
  std::vector<std::string> names;  // base::parse_domain_name's form
  std::string order_url;           // of an earlier attempt; empty if there is none
  // An earlier attempt may have made an order whose URL was lost: look for it at the CA first.
  bool recover_unknown_order = false;
  std::string preferred_chain;  // common name of the issuer of the topmost certificate; or empty
};

// How far an order is, as it must be remembered.
enum class OrderStage { created, finalizing };

// What must be durable before an issuance goes on.
struct OrderRecord {
  std::uint64_t id = 0;
  std::string url;
  OrderStage stage = OrderStage::created;
};

// Where an issuance is, to show.
enum class Step {
  queued,
  looking_for_order,
  ordering,
  authorizing,
  finalizing,
  downloading,
  cleaning_up,
  done
};
std::string_view to_string(Step step);

// What the CA, or the host, said against one name; printable.
struct NameProblem {
  std::string name;
  std::string text;
};

// How an issuance ended.
struct Outcome {
  std::uint64_t id = 0;
  Result<std::string> chain;          // PEM as the CA sent it: hostile until crypto::verify_chain
  std::vector<NameProblem> problems;  // by name, if the CA gave reasons for names
  std::string problem_type;      // ACME's word for the failure ("accountDoesNotExist"), or empty
  std::optional<Time> retry_at;  // what the CA asked for
  std::string order_url;         // empty if there is no order worth resuming
};

// An http-01 challenge to be made true, or no longer.
struct ChallengeResponse {
  std::uint64_t id = 0;
  std::string name;
  std::string token;
  std::string key_authorization;
};

// What an Issuance wants done. Each action is returned once.
namespace action {
struct Send {
  std::uint32_t tag;  // to be given back with the response
  SignedRequest request;
};
struct FindOrder {};  // answer with on_order_found()
struct SaveOrder {    // answer with on_saved()
  OrderRecord record;
};
struct NeedCertificateRequest {};  // answer with on_certificate_request()
struct Publish {                   // answer with on_published()
  ChallengeResponse response;
};
struct Retract {
  ChallengeResponse response;
};
struct Wait {  // nothing to do before this moment or the next answer
  Instant until;
};
struct Finished {  // an answer that comes later is ignored
  Outcome outcome;
};
}  // namespace action

using Action =
    std::variant<action::Send, action::FindOrder, action::SaveOrder, action::NeedCertificateRequest,
                 action::Publish, action::Retract, action::Wait, action::Finished>;

// What all issuances of an account have in common.
struct IssuanceContext {
  const Clock& clock;
  const Directory& directory;
  std::string origin;
  std::string thumbprint;
  base::Milliseconds deadline{std::chrono::minutes(5)};
};

// The state machine of one order (RFC 8555 §7.4): finds or makes the order, makes its pending
// authorizations true, finalizes it and downloads the chain. Asks for a save before it answers a
// challenge and before it finalizes, so that a crash at any point is resumed and never ordered
// twice. Polls by the CA's Retry-After, else after 10 ms, doubling to 5 s. A request that got no
// response or a 5xx is repeated five times; what could have taken effect is looked up, not
// repeated. The context must outlive it.
class Issuance {
 public:
  Issuance(IssuanceRequest request, const IssuanceContext& context);

  // What to do now; call until it returns Wait or Finished.
  Action next();

  void on_response(std::uint32_t tag, const Result<http::Response>& result);
  void on_order_found(std::string url);  // empty: there is none
  void on_saved(const Result<>& result);
  void on_certificate_request(const Result<std::string>& der);
  void on_published(const std::string& token, const Result<>& result);

  // Ends it soon: published challenges are retracted and pending authorizations deactivated.
  void abort();

  std::uint64_t id() const { return request_.id; }
  Step step() const { return step_; }
  const std::vector<std::string>& names() const { return request_.names; }

  // Whatever is stored here is an implementation detail; see issuance.cc.
 private:
  enum class AuthorizationStep { fetch, publish, respond, poll, done };
  struct AuthorizationState {
    std::string url;
    AuthorizationStep step = AuthorizationStep::fetch;
    std::string name, token, challenge_url;
    bool published = false;
    base::Milliseconds delay{0};  // before the last poll
    int failures = 0;             // requests in a row without an answer
  };

  const IssuanceContext& context_;
  IssuanceRequest request_;
  Step step_ = Step::queued;
};

}  // namespace everseal::acme
