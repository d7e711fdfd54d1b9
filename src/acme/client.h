// Talking to one CA as one account: the directory, nonces, signatures, and the account itself.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "acme/resources.h"
#include "acme/signer.h"
#include "base/clock.h"
#include "base/token_bucket.h"
#include "http/transport.h"

namespace everseal::acme {

// Whether an account may be asked for. Errors: rejected (the terms of service are not agreed to,
// naming their URL; an external account is needed).
Result<> check_terms(const AccountTerms& terms, const Registration& registration);

// A request signed by the account.
struct SignedRequest {
  std::string url{};
  Payload payload{};
};

// Whether sending the same request again may help: no answer, a 5xx, or a nonce that was refused
// even after the client's own repetitions.
bool worth_repeating(const Result<http::Response>& result);

// How long to wait before the next attempt after `failures` in a row: half a second, doubling.
base::Milliseconds repeat_delay(int failures);
inline constexpr int kMostFailures = 5;

// How a signed request ended: any HTTP response, or why there is none (transient).
struct Reply {
  std::uint64_t id;
  Result<http::Response> result;
};

// How often the CA with this directory URL may be asked from one address, with room for other
// clients there: Let's Encrypt answers more with 503 (https://letsencrypt.org/docs/rate-limits/);
// nullopt: it is not known.
std::optional<base::Limit> known_pace(std::string_view directory_url);

// One account at one CA. Signs requests, keeps the pool of nonces, and repeats a request whose
// nonce the CA refused, with the nonce of the refusal, at most three times (RFC 8555 §6.5). Any
// number of requests may be in flight. All references must outlive it; one thread.
class Client {
 public:
  // Only https. Nothing is sent before it is needed.
  Client(http::Transport& transport, Signer& signer, const Clock& clock, std::string directory_url);

  // Whoever waits for an answer here hears "stopped" (transient) soon after `stop` became true.
  void end_on(const std::atomic<bool>* stop) { stop_ = stop; }

  // Sends signed requests no faster than this; others wait.
  void pace(const base::Limit& limit) { pace_ = limit; }

  // The CA's directory, fetched once; redirects within its origin are followed, at most three.
  // Errors: transient, rejected (no directory there), invalid (the URL).
  Result<const Directory*> directory();

  // Of the directory. Errors: those of directory().
  Result<AccountTerms> terms() { return TRY(directory())->terms; }

  // Each sets the account to sign for from now on, and names it.
  // By its URL, without asking the CA: if it has forgotten the account, requests are refused as
  // "accountDoesNotExist". Errors: invalid (the URL is at another CA).
  Result<Account> use_account(const std::string& url);
  // What the CA knows of the signer's key (RFC 8555 §7.3.1); only an account that is valid is set.
  Result<KeyStanding> find_account();
  // The same, made if there is none (RFC 8555 §7.3). Errors: rejected (the signer's, the CA's).
  Result<Account> register_account();

  // Tells the CA that the account's key is the signer's next one (RFC 8555 §7.3.5). It is asked but
  // once: after an error only find_account() can tell which key the CA knows. Errors: rejected (the
  // CA's; it has no keyChange), transient.
  Result<> change_key();

  const Account& account() const { return account_; }
  const std::string& origin() const { return origin_; }
  const Clock& clock() const { return clock_; }

  // Plain GETs of URLs at the CA, a few at once; how each ended, in their order. Redirects are not
  // followed. Errors of each: transient ("stopped", too).
  std::vector<Result<http::Response>> get_all(std::span<const std::string> urls);

  // Queues a signed request; `id` is the caller's and names the reply.
  void send(std::uint64_t id, SignedRequest request);

  // Moves messages until a reply came or `deadline` passed.
  std::vector<Reply> wait(Instant deadline);

  // Sends one request and waits for its answer, repeating it while that may help; it must be one
  // that can be repeated. Other replies that come meanwhile are kept for wait().
  Result<http::Response> call(SignedRequest request);

 private:
  struct Pending {
    std::uint64_t id;
    SignedRequest request;
    int tries = 0;
  };

  Result<http::Response> fetch(std::string url);
  void complete_get(std::vector<Result<http::Response>>& results, http::Completion completion);
  Result<http::Response> ask_for_account(Payload payload);
  Result<Account> accept_account(const http::Response& response);
  Result<http::Response> call_once(const SignedRequest& request);
  void sleep_until(Instant deadline);
  bool stopping() const { return stop_ && *stop_; }
  Instant next_look(Instant deadline) const;
  void dispatch();
  bool take_turn();
  void dispatch_one(Pending pending);
  void complete(http::Completion completion);
  void complete_nonce(Result<http::Response> result);
  void complete_post(Pending pending, Result<http::Response> result);
  bool keep_nonce(const http::Response& response);

  http::Transport& transport_;
  Signer& signer_;
  const Clock& clock_;
  const std::string directory_url_;
  const std::atomic<bool>* stop_ = nullptr;

  std::optional<base::Limit> pace_;
  std::int64_t pace_full_at_ = 0;     // base::TokenBucket, of the steady clock
  Instant turn_at_ = Instant::max();  // when the next request may go, if one waits for that
  std::string origin_;
  std::optional<Directory> directory_;
  Account account_;
  std::vector<std::string> nonces_;             // the freshest last
  std::deque<Pending> waiting_;                 // for a nonce
  std::map<std::uint64_t, Pending> in_flight_;  // by the transport's id
  std::vector<Reply> replies_;                  // not yet handed out
  std::map<std::uint64_t, std::size_t> gets_;   // indexes of those of get_all(), by transport id
  std::set<std::uint64_t> abandoned_;           // the transport's ids that nobody waits for
  std::uint64_t next_id_ = 1;
  std::size_t nonce_requests_ = 0;  // in flight
};

}  // namespace everseal::acme
