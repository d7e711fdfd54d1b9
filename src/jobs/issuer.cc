#include "jobs/issuer.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/encoding.h"
#include "crypto/certificate.h"
#include "http/curl_transport.h"
#include "renew/policy.h"

namespace everseal::jobs {

std::atomic<bool> stop_requested = false;

namespace {

constexpr std::string_view kAccountUnknown = "accountDoesNotExist";

// "a.example: unauthorized: …; b.example: …", or the error as it is.
Error with_problems(const acme::Outcome& outcome) {
  Error error = outcome.chain.error();
  for (const acme::NameProblem& problem : outcome.problems)
    if (!error.message.contains(problem.text))
      error.message += fmt::format("; {}: {}", problem.name, problem.text);
  return error;
}

}  // namespace

Issuer::Issuer(const Environment& environment, State& state, std::string server)
    : environment_(environment),
      state_(state),
      server_(std::move(server)),
      keeper_(environment.files, state.certificates(), environment.settings.state, server_) {}

Result<> Issuer::open_account() {
  const Settings& settings = environment_.settings;
  http::CurlOptions options;
  options.ca_bundle_path = settings.ca_bundle;
  transport_ = TRY(http::CurlTransport::open(options));
  const bool key_was_used = keeper_.has_account_key();
  TRY(keeper_.open_account_key());
  client_ = std::make_unique<acme::Client>(*transport_, keeper_, environment_.clock, server_);

  const auto known = TRY(state_.catalog().account(server_));
  if (!known || known->url.empty()) return register_account(key_was_used);
  acme::AccountOptions account;
  account.known_url = known->url;
  TRY(client_->open_account(account));
  return {};
}

Result<> Issuer::register_account(bool key_was_used) {
  const Settings& settings = environment_.settings;
  acme::AccountOptions options;
  options.key_was_used = key_was_used;
  options.contacts = settings.contacts;
  options.external_account = settings.external_account;
  if (TRY(client_->directory())->external_account_required && !settings.external_account)
    return base::rejected(
        "the CA makes accounts only for its customers: give the key id and the MAC key that it "
        "hands "
        "out with --eab-kid and --eab-hmac-key");
  options.terms_agreed = TRY(agree_to_terms());
  const acme::Account account = TRY(client_->open_account(options));
  environment_.reporter.done("account", account.url);
  return state_.catalog().save_account(
      {server_, account.url, settings.contacts,
       options.terms_agreed ? std::optional(environment_.clock.now()) : std::nullopt});
}

Result<bool> Issuer::agree_to_terms() {
  const auto known = TRY(state_.catalog().account(server_));
  const acme::Directory* directory = TRY(client_->directory());
  if ((known && known->terms_agreed_at) || directory->terms_of_service.empty()) return true;
  environment_.reporter.note(
      fmt::format("The CA's terms of service: {}", directory->terms_of_service));
  return environment_.settings.assume_yes ||
         environment_.reporter.confirm("Do you agree to the terms of service?");
}

// The version is in the catalog before its key is on disk, so that no key is ever left unknown;
// both are durable before the CA is asked.
Result<IssueReport> Issuer::issue(std::vector<store::CertificateRecord> certificates) {
  report_ = {};
  tasks_.clear();
  std::vector<std::uint64_t> ids;
  std::vector<store::VersionRecord> versions;
  for (store::CertificateRecord& certificate : certificates) {
    ids.push_back(tasks_.size());
    Task& task = tasks_.emplace_back(Task{std::move(certificate), {}, false, false});
    TRY(begin(task));
    versions.push_back(task.version);
  }
  TRY(state_.catalog().save_versions(versions));
  for (const Task& task : tasks_)
    if (!task.was_begun)
      TRY(within(task.certificate.name,
                 keeper_.make_key(task.certificate.name, task.version.number,
                                  TRY(crypto::parse_key_type(task.certificate.key_type)))));
  TRY(run(ids));

  std::erase_if(ids, [&](std::uint64_t id) { return !tasks_[id].account_unknown; });
  if (ids.empty()) return std::move(report_);
  environment_.reporter.note("The CA no longer knows this account; registering its key again.");
  TRY(register_account(true));
  TRY(run(ids));
  return std::move(report_);
}

// Without its key a version was begun by nobody: no order can have been placed for it.
Result<> Issuer::begin(Task& task) {
  const store::CertificateRecord& certificate = task.certificate;
  const auto pending = TRY(state_.catalog().version(certificate.id, store::VersionState::pending));
  if (pending) {
    task.version = *pending;
    task.was_begun = keeper_.public_key(certificate.name, pending->number).has_value();
  } else {
    task.version.certificate_id = certificate.id;
    task.version.number = TRY(state_.catalog().last_version(certificate.id)) + 1;
  }
  return {};
}

Result<> Issuer::run(const std::vector<std::uint64_t>& ids) {
  std::vector<acme::IssuanceRequest> requests;
  for (const std::uint64_t id : ids) {
    Task& task = tasks_[id];
    const bool order_unknown = task.was_begun && task.version.order_url.empty();
    requests.push_back({id, task.certificate.names, task.version.order_url, order_unknown,
                        task.certificate.preferred_chain});
  }
  acme::RunnerOptions options;
  options.stop = &stop_requested;
  return acme::run(*client_, std::move(requests), *this, options);
}

// Before finalize the URL is durable already: it is written when it is new.
Result<> Issuer::save_orders(std::span<const acme::OrderRecord> records) {
  std::vector<store::VersionRecord> versions;
  for (const acme::OrderRecord& record : records) {
    store::VersionRecord& version = tasks_[record.id].version;
    if (version.order_url == record.url) continue;
    version.order_url = record.url;
    versions.push_back(version);
  }
  if (versions.empty()) return {};
  return state_.catalog().save_versions(versions);
}

Result<std::string> Issuer::certificate_request(std::uint64_t id,
                                                const std::vector<std::string>& names) {
  const Task& task = tasks_[id];
  return keeper_.certificate_request(task.certificate.name, task.version.number, names);
}

Result<challenge::Responder*> Issuer::responder(const Task& task, const std::string& name) {
  switch (task.certificate.method) {
    case store::Method::nginx:
      return &nginx_;
    case store::Method::standalone:
      if (!standalone_)
        standalone_ =
            std::make_unique<challenge::StandaloneResponder>(TRY(http::Server::listen(80)));
      return standalone_.get();
    case store::Method::webroot:
      break;
  }
  const auto& names = task.certificate.names;
  const auto index = static_cast<std::size_t>(std::ranges::find(names, name) - names.begin());
  if (index >= task.certificate.webroots.size())
    return base::internal(fmt::format("no webroot is known for {}", name));
  const std::string& webroot = task.certificate.webroots[index];
  auto& responder = webroots_[webroot];
  if (!responder) responder = std::make_unique<challenge::WebrootResponder>(webroot);
  return responder.get();
}

Result<> Issuer::publish(const acme::ChallengeResponse& response) {
  challenge::Responder* const one = TRY(responder(tasks_[response.id], response.name));
  return one->publish(response.token, response.key_authorization);
}

void Issuer::retract(const acme::ChallengeResponse& response) {
  if (const auto one = responder(tasks_[response.id], response.name))
    (*one)->retract(response.token);
}

void Issuer::progress(std::uint64_t id, acme::Step step) {
  environment_.reporter.progress(tasks_[id].certificate.name, acme::to_string(step));
}

void Issuer::finished(std::span<const acme::Outcome> outcomes) {
  std::vector<store::VersionRecord> ready;
  std::vector<std::uint64_t> ready_ids;
  for (const acme::Outcome& outcome : outcomes) {
    Task& task = tasks_[outcome.id];
    if (!outcome.chain) {
      if (outcome.problem_type == kAccountUnknown && !task.account_unknown)
        task.account_unknown = true;
      else
        keep_failure(task, with_problems(outcome), outcome);
    } else if (auto version = keep(task, *outcome.chain); !version) {
      keep_failure(task, std::move(version).error().within("certificate from the CA"), outcome);
    } else {
      ready.push_back(*std::move(version));
      ready_ids.push_back(outcome.id);
    }
  }
  const auto saved = state_.catalog().save_versions(ready);
  for (std::size_t i = 0; i < ready.size(); ++i) {
    Task& task = tasks_[ready_ids[i]];
    if (!saved) {
      // The order's URL stays in the catalog: the next run downloads the certificate again.
      environment_.reporter.failed(task.certificate.name, saved.error().message);
      report_.failed.push_back({task.certificate, saved.error(), {}});
      continue;
    }
    report_.issued.push_back({task.certificate, ready[i]});
  }
}

Result<store::VersionRecord> Issuer::keep(const Task& task, const std::string& chain_pem) {
  const store::CertificateRecord& certificate = task.certificate;
  const std::string public_key = TRY(keeper_.public_key(certificate.name, task.version.number));
  const auto chain = TRY(
      crypto::verify_chain(chain_pem, {public_key, certificate.names, environment_.clock.now()}));
  TRY(state_.certificates().complete(certificate.name, task.version.number, chain));
  store::VersionRecord version = task.version;
  version.state = store::VersionState::ready;
  version.not_before = chain.leaf().not_before();
  version.not_after = chain.leaf().not_after();
  version.fingerprint = chain.leaf().fingerprint();
  return version;
}

// What the CA may still finish is kept for the next run; everything else starts afresh.
void Issuer::keep_failure(Task& task, Error error, const acme::Outcome& outcome) {
  store::CertificateRecord& certificate = task.certificate;
  const Time now = environment_.clock.now();
  certificate.failures += 1;
  certificate.last_error = error.message;
  certificate.last_attempt = now;
  certificate.next_attempt =
      std::max(outcome.retry_at.value_or(now), now + renew::backoff(certificate.failures));
  const bool may_finish = !outcome.order_url.empty() && error.kind != ErrorKind::rejected;
  if (!may_finish)
    if (const auto discarded = state_.discard_pending(certificate); !discarded)
      environment_.reporter.note(discarded.error().message);
  if (const auto saved = state_.catalog().save_certificates({&certificate, 1}); !saved)
    environment_.reporter.note(saved.error().message);
  environment_.reporter.failed(certificate.name, error.message);
  report_.failed.push_back({certificate, std::move(error), outcome.problems});
}

}  // namespace everseal::jobs
