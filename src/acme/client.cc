#include "acme/client.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/encoding.h"

namespace everseal::acme {
namespace {

constexpr int kMostTries = 3;  // of one request with refused nonces
constexpr int kMostRedirects = 3;
constexpr base::Milliseconds kStopLatency{200};
constexpr std::size_t kMostNonceBytes = 256;
constexpr std::size_t kMostNonces = 200;
// Requests under way that will each bring a nonce. Let's Encrypt takes ten new-nonce requests at
// once and twenty a second.
constexpr std::size_t kMostNonceSources = 10;
constexpr std::size_t kMostGets = 10;

bool is_nonce(std::string_view text) {
  return !text.empty() && text.size() <= kMostNonceBytes && is_base64url(text);
}

bool is_bad_nonce(const Result<http::Response>& result) {
  return result && result->status == 400 &&
         parse_problem(result->body, result->status).type == "badNonce";
}

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

// Where a redirect leads, if it stays within `origin` (RFC 9110 §10.2.2).
Result<std::string> redirect_target(const http::Response& response, const std::string& origin) {
  const std::string* location = response.header("Location");
  const std::string target = !location                    ? std::string()
                             : location->starts_with('/') ? origin + *location
                                                          : *location;
  const auto target_origin = http::https_origin(target);
  if (target_origin && *target_origin == origin) return target;
  return base::rejected(fmt::format("redirected to {}", base::printable(target, 200)));
}

}  // namespace

Result<> check_terms(const AccountTerms& terms, const Registration& registration) {
  if (terms.external_account_required && !registration.external_account) {
    return base::rejected(
        "the CA makes accounts only for its customers: give the key id and the MAC key that it "
        "hands out with --eab-kid and --eab-hmac-key");
  }
  if (!terms.terms_of_service.empty() && !registration.terms_agreed) {
    return base::rejected(
        fmt::format("the CA's terms of service are not agreed to: {}", terms.terms_of_service));
  }
  return {};
}

bool worth_repeating(const Result<http::Response>& result) {
  if (!result) return result.error().kind == ErrorKind::transient;
  return result->status >= 500 || is_bad_nonce(result);
}

std::optional<base::Limit> known_pace(std::string_view directory_url) {
  constexpr std::string_view kLetsEncrypt = ".api.letsencrypt.org:443";
  const auto origin = http::https_origin(directory_url);
  if (!origin || !origin->ends_with(kLetsEncrypt)) return std::nullopt;
  return base::Limit{100, base::Milliseconds(5)};
}

base::Milliseconds repeat_delay(int failures) {
  return base::Milliseconds(500) * (1 << std::clamp(failures - 1, 0, 10));
}

Client::Client(http::Transport& transport, Signer& signer, const Clock& clock,
               std::string directory_url)
    : transport_(transport),
      signer_(signer),
      clock_(clock),
      directory_url_(std::move(directory_url)),
      origin_(http::https_origin(directory_url_).value_or("")) {}

Result<const Directory*> Client::directory() {
  if (directory_) return &*directory_;
  TRY(http::https_origin(directory_url_));
  const std::string context = fmt::format("directory {}", base::printable(directory_url_, 200));
  const auto response = TRY(base::within(context, fetch(directory_url_)));
  directory_ = TRY(base::within(context, parse_directory(response.body, directory_url_)));
  return &*directory_;
}

std::vector<Result<http::Response>> Client::get_all(std::span<const std::string> urls) {
  std::vector<Result<http::Response>> results(urls.size(), base::transient("stopped"));
  std::size_t next = 0;
  while (!stopping() && (next < urls.size() || !gets_.empty())) {
    for (; next < urls.size() && gets_.size() < kMostGets; next++) {
      gets_.emplace(next_id_, next);
      transport_.send(next_id_++,
                      {.method = http::Method::get, .url = urls[next], .headers = {}, .body = ""});
    }
    for (auto& each : transport_.wait(next_look(Instant::max())))
      complete_get(results, std::move(each));
  }
  for (const auto& [id, index] : std::exchange(gets_, {})) abandoned_.insert(id);
  return results;
}

void Client::complete_get(std::vector<Result<http::Response>>& results,
                          http::Completion completion) {
  const auto get = gets_.extract(completion.id);
  if (get.empty()) return complete(std::move(completion));
  results[get.mapped()] = std::move(completion.result);
}

Result<http::Response> Client::fetch(std::string url) {
  for (int redirects = 0; redirects <= kMostRedirects; redirects++) {
    const auto response = TRY(std::move(get_all({&url, 1}).front()));
    if (response.status == 200) return response;
    if (!is_redirect(response.status)) {
      return std::unexpected(parse_problem(response.body, response.status).error());
    }
    url = TRY(redirect_target(response, origin_));
  }
  return base::rejected("too many redirects");
}

Result<Account> Client::use_account(const std::string& url) {
  if (TRY(http::https_origin(url)) != origin_) {
    return base::invalid(
        fmt::format("the account {} is at another CA than {}", base::printable(url, 200), origin_));
  }
  return account_ = Account{.url = url, .orders = "", .status = ""};
}

// CAs refuse the key of an account that has ended as "unauthorized", or show how it stands.
Result<KeyStanding> Client::find_account() {
  using enum KeyStanding::Kind;
  const auto response = TRY(ask_for_account(payload::FindAccount()));
  if (response.status >= 300) {
    const std::string type = parse_problem(response.body, response.status).type;
    if (type == "accountDoesNotExist") return KeyStanding{.kind = unknown};
    if (type == "unauthorized") return KeyStanding{.kind = ended};
  } else if (const auto account = parse_account(response.body, origin_);
             account && account->status != "valid") {
    return KeyStanding{.kind = ended};
  }
  return KeyStanding{.kind = valid, .account = TRY(accept_account(response)).url};
}

Result<Account> Client::register_account() {
  return accept_account(TRY(ask_for_account(payload::NewAccount())));
}

Result<> Client::change_key() {
  const Directory& known = *TRY(directory());
  if (known.key_change.empty())
    return base::rejected("account key: the CA's directory has no keyChange");
  const auto response =
      TRY(base::within("account key", call_once({known.key_change, payload::ChangeKey()})));
  if (response.status == 200) return {};
  return std::unexpected(
      parse_problem(response.body, response.status).error().within("account key"));
}

Result<http::Response> Client::ask_for_account(Payload payload) {
  const Directory& known = *TRY(directory());
  account_ = {};
  return base::within("account", call({known.new_account, std::move(payload)}));
}

Result<Account> Client::accept_account(const http::Response& response) {
  if (response.status != 200 && response.status != 201) {
    return std::unexpected(parse_problem(response.body, response.status).error().within("account"));
  }
  const std::string* location = response.header("Location");
  const auto origin = location ? http::https_origin(*location) : base::invalid("");
  if (!origin || *origin != origin_) return base::rejected("account: the CA gave no URL for it");
  Account account = TRY(parse_account(response.body, origin_));
  if (account.status != "valid") {
    return base::rejected(fmt::format("account: the CA says that it is {}", account.status));
  }
  account.url = *location;
  return account_ = std::move(account);
}

void Client::send(std::uint64_t id, SignedRequest request) {
  waiting_.push_back({.id = id, .request = std::move(request)});
}

std::vector<Reply> Client::wait(Instant deadline) {
  do {
    dispatch();
    const Instant until = replies_.empty() ? std::min(deadline, turn_at_) : Instant();
    for (auto& each : transport_.wait(until)) complete(std::move(each));
    dispatch();
  } while (replies_.empty() && clock_.steady_now() < deadline);
  return std::exchange(replies_, {});
}

Result<http::Response> Client::call(SignedRequest request) {
  auto result = call_once(request);
  for (int failures = 1; failures <= kMostFailures && worth_repeating(result) && !stopping();
       failures++) {
    sleep_until(clock_.steady_now() + repeat_delay(failures));
    result = call_once(request);
  }
  return result;
}

Result<http::Response> Client::call_once(const SignedRequest& request) {
  constexpr std::uint64_t id = ~0ull;
  if (stopping()) return base::transient("stopped");
  send(id, request);
  std::vector<Reply> others;
  for (;;) {
    auto replies = wait(next_look(Instant::max()));
    const auto own = std::ranges::find(replies, id, &Reply::id);
    std::optional<Result<http::Response>> result;
    if (own != replies.end()) {
      result = std::move(own->result);
      replies.erase(own);
    }
    std::ranges::move(replies, std::back_inserter(others));
    if (!result && stopping()) result = base::transient("stopped");
    if (!result) continue;
    replies_ = std::move(others);
    return *std::move(result);
  }
}

void Client::sleep_until(Instant deadline) {
  while (clock_.steady_now() < deadline && !stopping()) {
    for (auto& each : transport_.wait(next_look(deadline))) complete(std::move(each));
  }
}

// How long to wait for messages before looking whether to stop.
Instant Client::next_look(Instant deadline) const {
  const base::Milliseconds patience = stop_ ? kStopLatency : std::chrono::minutes(2);
  return std::min<Instant>(deadline, clock_.steady_now() + patience);
}

// Signs what there are nonces for, and asks for nonces for the rest.
void Client::dispatch() {
  turn_at_ = Instant::max();
  while (!waiting_.empty() && !nonces_.empty()) {
    if (!take_turn()) return;
    Pending next = std::move(waiting_.front());
    waiting_.pop_front();
    dispatch_one(std::move(next));
  }
  if (waiting_.empty()) return;
  const auto known = directory();
  if (!known) {
    for (Pending& each : waiting_) replies_.push_back({each.id, std::unexpected(known.error())});
    return waiting_.clear();
  }
  while (nonce_requests_ < waiting_.size() &&
         nonce_requests_ + in_flight_.size() < kMostNonceSources) {
    transport_.send(
        next_id_++,
        {.method = http::Method::head, .url = (*known)->new_nonce, .headers = {}, .body = ""});
    nonce_requests_++;
  }
}

bool Client::take_turn() {
  if (!pace_) return true;
  const Instant now = clock_.steady_now();
  const std::int64_t at =
      std::chrono::duration_cast<base::Milliseconds>(now.time_since_epoch()).count();
  const auto wait = base::TokenBucket::wait(pace_full_at_, *pace_, at);
  turn_at_ = wait.count() > 0 ? now + wait : Instant::max();
  if (wait.count() > 0) return false;
  pace_full_at_ = base::TokenBucket::take(pace_full_at_, *pace_, at);
  return true;
}

void Client::dispatch_one(Pending pending) {
  const crypto::JwsHeader header{
      .url = pending.request.url, .nonce = nonces_.back(), .kid = account_.url};
  nonces_.pop_back();
  auto body = signer_.sign(header, pending.request.payload);
  if (!body) return replies_.push_back({pending.id, std::unexpected(body.error())});
  const std::uint64_t id = next_id_++;
  transport_.send(id, {.method = http::Method::post,
                       .url = pending.request.url,
                       .headers = {{"Content-Type", "application/jose+json"}},
                       .body = *std::move(body)});
  pending.tries++;
  in_flight_.emplace(id, std::move(pending));
}

void Client::complete(http::Completion completion) {
  if (abandoned_.erase(completion.id) > 0) return;
  auto post = in_flight_.extract(completion.id);
  if (post.empty()) return complete_nonce(std::move(completion.result));
  complete_post(std::move(post.mapped()), std::move(completion.result));
}

// Without a nonce a waiting request cannot be sent: why there is none becomes its answer.
void Client::complete_nonce(Result<http::Response> result) {
  nonce_requests_--;
  const bool kept = result && keep_nonce(*result);
  if (kept || waiting_.empty()) return;
  if (result && result->status < 400) result = base::transient("the CA gave no nonce");
  replies_.push_back({waiting_.front().id, std::move(result)});
  waiting_.pop_front();
}

void Client::complete_post(Pending pending, Result<http::Response> result) {
  if (result) keep_nonce(*result);
  if (is_bad_nonce(result) && pending.tries < kMostTries) {
    return waiting_.push_front(std::move(pending));
  }
  replies_.push_back({pending.id, std::move(result)});
}

// RFC 8555 §6.5.1: base64url; one that came twice belongs to neither.
bool Client::keep_nonce(const http::Response& response) {
  const auto values = response.all("Replay-Nonce");
  const bool good = values.size() == 1 && is_nonce(values.front());
  if (good && nonces_.size() < kMostNonces) nonces_.emplace_back(values.front());
  return good;
}

}  // namespace everseal::acme
