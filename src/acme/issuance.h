// One certificate, from nothing to its chain: the decisions, without I/O.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
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
  std::uint64_t id = 0;              // the caller's
  std::vector<std::string> names{};  // base::parse_domain_name's form
  std::string order_url{};           // of an earlier attempt; empty if there is none
  // An earlier attempt may have made an order whose URL was lost: look for it at the CA first.
  bool recover_unknown_order = false;
  std::string preferred_chain{};  // common name of the issuer of the topmost certificate; or empty
  // Identifier of the certificate before it (RFC 9773 §4.1), for CAs that know of such; or empty.
  std::string replaces{};
  std::string profile{};  // empty: the CA's default
};

// How far an order is, as it must be remembered.
enum class OrderStage { created, finalizing };

// What must be durable before an issuance goes on.
struct OrderRecord {
  std::uint64_t id = 0;
  std::string url{};
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
  std::string name{};
  std::string text{};
};

// How an issuance ended.
struct Outcome {
  std::uint64_t id = 0;
  Result<std::string> chain{};          // PEM as the CA sent it: hostile until crypto::verify_chain
  std::vector<NameProblem> problems{};  // by name, if the CA gave reasons for names
  std::string problem_type{};      // ACME's word for the failure ("accountDoesNotExist"), or empty
  std::optional<Time> retry_at{};  // what the CA asked for
  std::string order_url{};         // empty if there is no order worth resuming
  std::vector<std::string> notices{};  // what the CA would not do as asked; printable
  std::string replaces{};              // what the CA took the certificate to replace
};

// An http-01 challenge to be made true, or no longer.
struct ChallengeResponse {
  std::uint64_t id = 0;
  std::string name{};
  std::string token{};
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
struct Publish {  // answer with on_published()
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

using Action = std::variant<action::Send, action::FindOrder, action::SaveOrder, action::Publish,
                            action::Retract, action::Wait, action::Finished>;

// What all issuances of an account have in common.
struct IssuanceContext {
  const Clock& clock;
  const Directory& directory;
  std::string origin;
  base::Milliseconds deadline{std::chrono::minutes(5)};
};

// The state machine of one order (RFC 8555 §7.4): finds or makes the order, makes its pending
// authorizations true, finalizes it and downloads the chain. Asks for a save before it answers a
// challenge and before it finalizes, so that a crash at any point is resumed and never ordered
// twice. Polls by the CA's Retry-After, else after 2 ms, doubling to 5 s. A request that got no
// response or a 5xx is repeated five times; what could have taken effect is looked up, not
// repeated. Where the CA takes no order that replaces that certificate, or has not that profile, it
// is ordered without, and a notice says so. The context must outlive it.
class Issuance {
 public:
  Issuance(IssuanceRequest request, const IssuanceContext& context);

  // What to do now; call until it returns Wait or Finished.
  Action next();

  void on_response(std::uint32_t tag, const Result<http::Response>& result);
  void on_order_found(std::string url);  // empty: there is none
  void on_saved(const Result<>& result);
  void on_published(const std::string& token, const Result<>& result);

  // Ends it soon: published challenges are retracted and pending authorizations deactivated.
  void abort();

  std::uint64_t id() const { return request_.id; }
  Step step() const { return step_; }
  const std::vector<std::string>& names() const { return request_.names; }

 private:
  // What a request asked for, and how often that got no answer.
  enum class Subject {
    order,
    new_order,
    authorization,
    challenge,
    finalize,
    certificate,
    alternate,
    deactivation
  };
  struct Exchange {
    Subject subject;
    std::size_t index = 0;  // of the authorization or the alternate
    SignedRequest request;
    int failures = 0;
  };
  struct Timer {
    Instant at;
    Exchange exchange;
  };
  struct NameState {
    std::string authorization_url;
    std::string name;           // known once the authorization was read
    std::string challenge_url;  // of its http-01 challenge
    ChallengeResponse response;
    bool pending = false;  // as the CA said last
    std::string refusal;   // of the challenge, if the CA refused to look
    base::Milliseconds delay{0};
    enum { unread, publishing, published, valid, failed } state = unread;
  };

  void begin();
  void begin_order();
  bool order_with_less(const Problem& problem);
  void send(Exchange exchange);
  void send_after(base::Milliseconds delay, Exchange exchange);
  void fetch_order_after(base::Milliseconds delay, int failures = 0);

  void dispatch(Exchange exchange, const http::Response& response);
  void on_failed(Exchange exchange, const Result<http::Response>& result);
  void repeat(Exchange exchange, base::Milliseconds delay);
  void on_refused(const Exchange& exchange, const http::Response& response);
  void on_rate_limited(Exchange exchange, const http::Response& response);
  void on_paused(const http::Response& response);

  void on_new_order(const http::Response& response);
  void on_order(const http::Response& response);
  void accept_order(Order order, const http::Response& response);
  void save(OrderStage stage);
  void poll_order(const http::Response& response);
  void on_invalid_order(const Order& order);
  void forget_order();

  void fetch_authorizations();
  void on_authorization(std::size_t index, const http::Response& response);
  void on_pending(std::size_t index, const Authorization& authorization,
                  const http::Response& response);
  void publish(std::size_t index, const Authorization& authorization);
  void poll_authorization(std::size_t index, const http::Response& response);
  void settle_valid(NameState& name);
  void settle_failed(NameState& name, ErrorKind kind, std::string type, std::string text);
  void retract(NameState& name);
  void conclude_authorizations();

  void on_certificate(const http::Response& response);
  void on_alternate(std::size_t index, const http::Response& response);
  void fetch_alternate(std::size_t index);
  bool is_preferred(const std::string& pem) const;

  base::Milliseconds poll_delay(base::Milliseconds& delay, const http::Response& response) const;
  std::string describe_wait() const;
  void succeed(std::string chain);
  void fail(Error error, std::string problem_type = {});
  void fail(const Problem& problem);
  bool worth_resuming(ErrorKind kind) const;
  void clean_up();
  Action next_after_end();

  const IssuanceContext& context_;
  const IssuanceRequest request_;
  std::string replaces_, profile_;  // of the next order
  std::vector<std::string> notices_;
  std::vector<std::string> sorted_names_;

  Step step_ = Step::queued;
  bool resuming_ = false;  // the order is of an earlier run and not yet known to be alive
  bool aborted_ = false;
  std::string order_url_;
  Instant new_order_at_{};  // not before
  OrderStage stage_ = OrderStage::created;
  Order order_;
  int new_order_failures_ = 0, finalize_failures_ = 0;
  base::Milliseconds order_delay_{0};
  std::vector<NameState> names_;
  std::vector<NameProblem> problems_;
  std::optional<Error> worst_;  // of the names that failed
  std::string worst_type_;
  std::string chain_;  // the default one, while alternates are looked at
  std::vector<std::string> alternates_;

  std::deque<Action> actions_;  // decided, not yet returned
  std::vector<Timer> timers_;
  std::map<std::uint32_t, Exchange> open_;  // sent, by tag
  std::uint32_t next_tag_ = 1;
  Instant deadline_{};
  std::optional<Outcome> outcome_;  // decided; returned when all is tidy
};

}  // namespace everseal::acme
