#include "jobs/issuer.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/encoding.h"
#include "crypto/random.h"
#include "jobs/kept.h"
#include "jobs/port_holder.h"
#include "renew/history.h"
#include "store/note.h"

namespace everseal::jobs {

namespace {

// Whether another account, or another key, may be what it takes. What is said of single names is
// about these.
bool may_be_about_account(const acme::Outcome& outcome) {
  return CaAccount::is_to_blame(outcome.problem_type) ||
         (outcome.problems.empty() && CaAccount::may_be_to_blame(outcome.problem_type));
}

// What the CA says of a request that it will never take.
bool is_about_request(std::string_view problem_type) {
  return problem_type == "badCSR" || problem_type == "badPublicKey";
}

std::string new_token() {
  constexpr std::size_t kTokenBytes = 24;
  return base::base64url(crypto::random_bytes(kTokenBytes));
}

// "a.example: unauthorized: …; b.example: …", or the error as it is.
Error with_problems(const acme::Outcome& outcome) {
  Error error = outcome.chain.error();
  for (const acme::NameProblem& problem : outcome.problems)
    if (!error.message.contains(problem.text))
      error.message += fmt::format("; {}: {}", problem.name, problem.text);
  return error;
}

}  // namespace

bool is_pinned(const Settings& settings, const store::CertificateRecord& certificate) {
  return std::ranges::any_of(certificate.names, [&](const std::string& name) {
    return std::ranges::find(settings.pinned, name) != settings.pinned.end();
  });
}

std::vector<Wanted> all_names(std::vector<store::CertificateRecord> certificates) {
  std::vector<Wanted> wanted;
  for (store::CertificateRecord& each : certificates) wanted.push_back({std::move(each)});
  return wanted;
}

Issuer::Issuer(const Environment& environment, State& state, std::string server)
    : environment_(environment),
      state_(state),
      account_(environment, state, std::move(server)),
      chronicle_(environment, state) {}

Result<> Issuer::start() {
  TRY(account_.start());
  if (!verifier_) verifier_ = TRY(environment_.workers.verifier());
  return {};
}

Result<std::vector<acme::RenewalInfo>> Issuer::renewal_info(std::span<const std::string> ids) {
  TRY(start());
  return account_.ca().net->renewal_info(ids);
}

Result<> Issuer::open_account() {
  TRY(start());
  return account_.open();
}

// The version is in the catalog before its key is on disk, so that no key is ever left unknown;
// both are durable before the CA is asked.
Result<IssueReport> Issuer::issue(std::vector<Wanted> wanted, KeyChoice keys) {
  report_ = {};
  keys_ = keys;
  tasks_.clear();
  std::vector<std::uint64_t> ids;
  std::vector<store::VersionRecord> versions;
  for (Wanted& each : wanted) {
    ids.push_back(tasks_.size());
    Task& task = tasks_.emplace_back(Task{std::move(each.certificate), each.retries_names});
    TRY(begin(task, each.names.empty() ? task.certificate.names : std::move(each.names)));
    versions.push_back(task.version);
  }
  auto scout = begin_scouting(ids);
  TRY(state_.catalog().save_versions(versions));
  // A certificate whose key cannot be made, or kept, stops no other.
  std::erase_if(ids, [&](std::uint64_t id) {
    const Result<> made = tasks_[id].was_begun ? Result<>() : make_key(id);
    if (!made) keep_failure(tasks_[id], made.error(), {});
    return !made;
  });
  save_failures();
  if (ids.empty()) return std::move(report_);
  look_ahead(ids, std::move(scout));
  run_all(ids);
  for (const Task& each : tasks_) sweep(each);

  std::erase_if(ids, [&](std::uint64_t id) { return !tasks_[id].refusal; });
  if (!ids.empty()) retry_refused(std::move(ids));
  return std::move(report_);
}

// Once, where the account was to blame. What was begun for another account cannot be gone on with,
// and nginx answers for one key.
void Issuer::retry_refused(std::vector<std::uint64_t> ids) {
  const auto surest = std::ranges::find_if(ids, [&](std::uint64_t id) {
    return CaAccount::is_to_blame(tasks_[id].refusal->problem_type);
  });
  const std::uint64_t one = surest == ids.end() ? ids.front() : *surest;
  const std::string before = thumbprint();
  const auto mended = account_.mend(tasks_[one].refusal->problem_type);
  Result<> answered;
  if (mended && *mended) {
    for (Task& each : tasks_) each.version.order_url.clear();
    if (thumbprint() != before && answer_anew_) answered = answer_anew_();
  }
  std::erase_if(ids, [&](std::uint64_t id) { return stays_refused(tasks_[id], mended, answered); });
  save_failures();
  run_all(ids);
}

bool Issuer::stays_refused(Task& task, const Result<bool>& mended, const Result<>& answered) {
  const bool is_answered = answered || task.certificate.method != store::Method::nginx;
  if (mended && *mended && is_answered) return false;
  const acme::Outcome refusal = *task.refusal;
  Error error = with_problems(refusal);
  if (mended && !*mended) {
    keep_failure(task, std::move(error), refusal);
    return true;
  }
  const Error& why = mended ? answered.error() : mended.error();
  const bool is_said = CaAccount::is_to_blame(refusal.problem_type);
  keep_failure(
      task, {why.kind, is_said ? why.message : fmt::format("{}; {}", error.message, why.message)},
      {});
  return true;
}

Result<> Issuer::begin(Task& task, std::vector<std::string> names) {
  const store::CertificateRecord& certificate = task.certificate;
  const auto pending = TRY(state_.catalog().version(certificate.id, store::VersionState::pending));
  if (pending && std::ranges::is_permutation(pending->names, names)) {
    task.version = *pending;
    return resume(task);
  }
  if (pending) TRY(state_.discard_pending(certificate));
  task.version.certificate_id = certificate.id;
  task.version.number = TRY(state_.next_version(certificate));
  task.version.names = std::move(names);
  if (certificate.request.empty())
    task.version.key_since =
        keeps_key(certificate) ? certificate.key_since : environment_.clock.now();
  return {};
}

// Without its key a version was begun by nobody: no order can have been placed for it.
Result<> Issuer::resume(Task& task) {
  const store::CertificateRecord& certificate = task.certificate;
  const auto id = static_cast<std::uint64_t>(&task - tasks_.data());
  if (!certificate.request.empty()) {
    task.was_begun =
        state_.certificates().is_begun_by_request(certificate.name, task.version.number);
    return task.was_begun ? use_request(id) : Result<>();
  }
  const auto key = state_.certificates().open_key(certificate.name, task.version.number);
  if (!key) return {};
  if (auto public_key = account_.ca().keeper->open_key(id, order_of(task), *key)) {
    task.public_key = *std::move(public_key);
    task.was_begun = true;
  } else if (public_key.error().kind != ErrorKind::invalid) {
    return std::unexpected(std::move(public_key).error());
  }
  return {};
}

// The keeper signs no other one for it.
acme::payload::NewOrder Issuer::order_of(const Task& task) const {
  return {task.version.names, task.certificate.renewal_id,
          environment_.settings.certificate_profile};
}

bool Issuer::keeps_key(const store::CertificateRecord& certificate) const {
  return keys_ == KeyChoice::as_set && certificate.version > 0 &&
         is_pinned(environment_.settings, certificate);
}

Result<> Issuer::make_key(std::uint64_t id) {
  Task& task = tasks_[id];
  const store::CertificateRecord& certificate = task.certificate;
  if (!certificate.request.empty()) return begin_by_request(id);
  if (keeps_key(certificate)) return keep_key(id);
  const auto type = TRY(crypto::parse_key_type(certificate.key_type));
  const auto write = [&](const base::FileDescriptor& file) -> Result<> {
    task.public_key = TRY(account_.ca().keeper->make_key(id, order_of(task), type, file));
    return {};
  };
  return state_.certificates().begin(certificate.name, task.version.number, write);
}

// A copy of the live version's key, from file to file within the kernel.
Result<> Issuer::keep_key(std::uint64_t id) {
  Task& task = tasks_[id];
  const store::CertificateRecord& certificate = task.certificate;
  store::CertificateStore& certificates = state_.certificates();
  const auto copy = [&](const base::FileDescriptor& file) -> Result<> {
    return base::copy_all(TRY(certificates.open_key(certificate.name, certificate.version)), file,
                          "keep the pinned key");
  };
  TRY(certificates.begin(certificate.name, task.version.number, copy));
  const auto key = TRY(certificates.open_key(certificate.name, task.version.number));
  task.public_key = TRY(account_.ca().keeper->open_key(id, order_of(task), key));
  return {};
}

Result<> Issuer::begin_by_request(std::uint64_t id) {
  const store::CertificateRecord& certificate = tasks_[id].certificate;
  TRY(use_request(id));
  const std::string der = TRY(base::decode_base64url(certificate.request));
  return state_.certificates().begin_by_request(certificate.name, tasks_[id].version.number,
                                                base::to_pem("CERTIFICATE REQUEST", der));
}

Result<> Issuer::use_request(std::uint64_t id) {
  Task& task = tasks_[id];
  const store::CertificateRecord& certificate = task.certificate;
  const auto facts = TRY(verifier_->read_request(TRY(base::decode_base64url(certificate.request))));
  task.public_key = facts.public_key_der;
  return account_.ca().keeper->use_request(id, order_of(task), facts.der);
}

Result<> Issuer::run(const std::vector<std::uint64_t>& ids) {
  std::vector<acme::IssuanceRequest> requests;
  for (const std::uint64_t id : ids) {
    Task& task = tasks_[id];
    const bool order_unknown = task.was_begun && task.version.order_url.empty();
    acme::payload::NewOrder order = order_of(task);
    requests.push_back({id, std::move(order.names), task.version.order_url, order_unknown,
                        task.certificate.preferred_chain, std::move(order.replaces),
                        std::move(order.profile)});
  }
  acme::RunnerOptions options;
  options.stop = &stop_requested;
  return account_.ca().net->run(requests, *this, options);
}

// What has been renewed before is trusted to lead here; an order that was begun may need no answer
// any more.
bool Issuer::is_doubtful(std::uint64_t id) const {
  const store::CertificateRecord& certificate = tasks_[id].certificate;
  return !tasks_[id].was_begun && (certificate.version == 0 || certificate.failures > 0);
}

// None, where nothing is doubtful. Its process starts while others work.
Result<std::unique_ptr<scan::Scout>> Issuer::begin_scouting(
    const std::vector<std::uint64_t>& ids) const {
  if (std::ranges::none_of(ids, [&](std::uint64_t id) { return is_doubtful(id); })) return nullptr;
  return environment_.workers.scout();
}

// What stands in the CA's way is said before an attempt is spent on it. Where nobody answers at
// all, and nobody listens here, none is.
void Issuer::look_ahead(std::vector<std::uint64_t>& ids,
                        Result<std::unique_ptr<scan::Scout>> scout) {
  if (scout && (!*scout || stop_requested)) return;
  const Result<Preflight> seen = scout ? try_answers(ids, **scout) : std::unexpected(scout.error());
  if (!seen) return environment_.reporter.note(seen.error().message);
  for (const Hindrance& each : seen->hindrances) environment_.reporter.note(to_string(each));
  if (seen->unanswered.empty() || port_holder(environment_.files, challenge::kHttp01Port)) return;
  std::erase_if(ids, [&](std::uint64_t id) {
    const auto name = std::ranges::find_first_of(tasks_[id].version.names, seen->unanswered);
    if (!is_doubtful(id) || name == tasks_[id].version.names.end()) return false;
    give_up_unanswered(id, *name);
    return true;
  });
  save_failures();
}

// By tokens that no CA knows. What cannot be put in place is said when the CA asks for it.
Result<Preflight> Issuer::try_answers(const std::vector<std::uint64_t>& ids, scan::Scout& scout) {
  std::vector<PlacedAnswer> placed;
  std::vector<challenge::Responder*> responders;
  for (const std::uint64_t id : ids) {
    if (!is_doubtful(id)) continue;
    for (const std::string& name : tasks_[id].version.names) {
      if (placed.size() == kMostLookedAt) break;
      const std::string token = new_token();
      PlacedAnswer answer{name, token, challenge::key_authorization(token, account_.thumbprint())};
      const auto one = responder(tasks_[id], name);
      if (!one || !(*one)->publish(token, answer.body)) continue;
      placed.push_back(std::move(answer));
      responders.push_back(*one);
    }
  }
  Result<Preflight> seen;
  if (!placed.empty()) seen = jobs::look_ahead(scout, placed);
  for (std::size_t i = 0; i < placed.size(); ++i) responders[i]->retract(placed[i].token);
  return seen;
}

void Issuer::give_up_unanswered(std::uint64_t id, const std::string& name) {
  keep_failure(
      tasks_[id],
      {ErrorKind::rejected,
       fmt::format("{}: nothing listens on port 80, where the CA asks: start the web server "
                   "first; the CA was not asked",
                   name)},
      {});
}

// A CA that cannot be reached is a failure of all; what was begun is resumed by the next run.
void Issuer::run_all(const std::vector<std::uint64_t>& ids) {
  if (ids.empty()) return;
  const auto ran = run(ids);
  if (ran) return;
  for (const std::uint64_t id : ids) enter(tasks_[id], ran.error(), {});
  save_failures();
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

Result<challenge::Responder*> Issuer::responder(const Task& task, const std::string& name) {
  switch (task.certificate.method) {
    case store::Method::nginx:
      return &nginx_;
    case store::Method::standalone:
      if (!standalone_) standalone_ = TRY(environment_.workers.standalone_responder());
      return standalone_.get();
    case store::Method::webroot:
      break;
  }
  const auto& names = task.certificate.names;
  const auto index = static_cast<std::size_t>(std::ranges::find(names, name) - names.begin());
  if (index >= task.certificate.webroots.size())
    return base::internal(fmt::format("no webroot is known for {}", name));
  return &webroot(task.certificate.webroots[index]);
}

challenge::WebrootResponder& Issuer::webroot(const std::string& path) {
  return webroots_.try_emplace(path, path).first->second;
}

// An earlier run that was killed may have left its challenges. All of this one are retracted.
void Issuer::sweep(const Task& task) {
  if (!task.was_begun || task.certificate.method != store::Method::webroot) return;
  for (const std::string& path : task.certificate.webroots)
    webroot(path).sweep(account_.thumbprint());
}

Result<> Issuer::publish(const acme::ChallengeResponse& response) {
  challenge::Responder* const one = TRY(responder(tasks_[response.id], response.name));
  return one->publish(response.token,
                      challenge::key_authorization(response.token, account_.thumbprint()));
}

void Issuer::retract(const acme::ChallengeResponse& response) {
  if (const auto one = responder(tasks_[response.id], response.name))
    (*one)->retract(response.token);
}

void Issuer::progress(std::uint64_t id, acme::Step step) {
  environment_.reporter.progress(tasks_[id].certificate.name, acme::to_string(step));
}

void Issuer::finished(std::span<const acme::Outcome> outcomes) {
  std::vector<Issued> ready;
  for (const acme::Outcome& outcome : outcomes) {
    Task& task = tasks_[outcome.id];
    if (!outcome.chain && may_be_about_account(outcome) && !task.refusal) {
      task.refusal = outcome;  // the second try says the rest
      continue;
    }
    for (const std::string& each : outcome.notices)
      environment_.reporter.note(fmt::format("{}: {}", task.certificate.name, each));
    if (!outcome.chain) {
      keep_failure(task, with_problems(outcome), outcome);
    } else if (auto version = keep(task, *outcome.chain); !version) {
      keep_failure(task, std::move(version).error().within("certificate from the CA"), outcome);
    } else {
      ready.push_back({task.certificate, *std::move(version)});
    }
  }
  if (const auto saved = save_ended(outcomes, ready); saved) {
    std::ranges::move(ready, std::back_inserter(report_.issued));
  } else {
    // The order's URL stays in the catalog: the next run downloads the certificate again.
    for (Issued& each : ready) {
      environment_.reporter.failed(each.certificate.name, saved.error().message);
      report_.failed.push_back({std::move(each.certificate), saved.error(), {}});
    }
    save_failures();
  }
}

// Whatever is to be remembered of certificates that ended together: one durable commit.
Result<> Issuer::save_ended(std::span<const acme::Outcome> outcomes,
                            std::span<const Issued> ready) {
  std::vector<store::VersionRecord> versions;
  for (const Issued& each : ready) versions.push_back(each.version);
  const auto unsaved = unsaved_;
  auto transaction = TRY(state_.catalog().begin());
  TRY(state_.catalog().save_versions(versions));
  for (const auto& [certificate, version] : ready)
    chronicle_.add(certificate.name, store::EventKind::issued,
                   fmt::format("version {}, valid until {}", version.number,
                               base::to_rfc3339(version.not_after)));
  count(outcomes);
  save_failures();
  auto committed = transaction.commit();
  if (!committed) unsaved_ = unsaved;  // nothing of it is in the catalog
  return committed;
}

// What cannot be saved is counted by the CA alone; it says so when there is too much of it.
void Issuer::count(std::span<const acme::Outcome> outcomes) {
  if (!limits_) {
    auto limits = state_.limits(environment_.settings);
    if (!limits) return environment_.reporter.note(limits.error().message);
    limits_ = *std::move(limits);
  }
  const Time now = environment_.clock.now();
  for (const acme::Outcome& each : outcomes)
    renew::count(*limits_,
                 to_intent(tasks_[each.id].certificate, tasks_[each.id].version.names, now), each,
                 now);
  if (const auto saved = state_.catalog().save_limits(limits_->take_changed(), now); !saved)
    environment_.reporter.note(saved.error().message);
}

Result<store::VersionRecord> Issuer::keep(const Task& task, const std::string& chain_pem) {
  const store::CertificateRecord& certificate = task.certificate;
  const crypto::EncodedChain chain = TRY(verifier_->verify(
      chain_pem, {task.public_key, task.version.names, environment_.clock.now()}));
  TRY(state_.certificates().complete(certificate.name, task.version.number, chain,
                                     store::to_note(certificate)));
  store::VersionRecord version = task.version;
  version.state = store::VersionState::ready;
  version.not_before = chain.not_before;
  version.not_after = chain.not_after;
  version.fingerprint = chain.fingerprint;
  version.renewal_id = chain.renewal_id;
  return version;
}

// What the CA may still finish is kept for the next run; everything else starts afresh.
void Issuer::keep_failure(Task& task, Error error, acme::Outcome outcome) {
  if (!task.certificate.request.empty() && is_about_request(outcome.problem_type))
    error.message +=
        "; its key is not ours: make a new request and give it to everseal issue --csr";
  const bool may_finish = !outcome.order_url.empty() && error.kind != ErrorKind::rejected;
  if (!may_finish)
    if (const auto discarded = state_.discard_pending(task.certificate); !discarded)
      environment_.reporter.note(discarded.error().message);
  enter(task, std::move(error), std::move(outcome));
}

void Issuer::enter(Task& task, Error error, acme::Outcome outcome) {
  store::CertificateRecord& certificate = task.certificate;
  const renew::Action action{.names = task.version.names, .retries_names = task.retries_names};
  outcome.chain = std::unexpected(error);
  // To be stopped is no setback: the next run goes on at once.
  if (!stop_requested || !outcome.problems.empty())
    enter_failure(certificate, action, outcome, environment_.clock.now());
  unsaved_.push_back(certificate);
  environment_.reporter.failed(certificate.name, error.message);
  chronicle_.add(certificate.name, store::EventKind::failed, error.message);
  report_.failed.push_back({certificate, std::move(error), std::move(outcome.problems)});
}

void Issuer::save_failures() {
  if (!unsaved_.empty())
    if (const auto saved = state_.catalog().save_certificates(unsaved_); !saved)
      environment_.reporter.note(saved.error().message);
  unsaved_.clear();
  chronicle_.enter();
}

}  // namespace everseal::jobs
