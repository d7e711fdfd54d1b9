#include "jobs/rotate.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "jobs/challenge_answer.h"
#include "jobs/chores.h"
#include "jobs/dhparam.h"
#include "jobs/named.h"
#include "jobs/own_files.h"
#include "jobs/telling.h"

namespace everseal::jobs {
namespace {

std::string in_words(const std::string& kind, const std::string& subject) {
  return fmt::format("{} {}", kind == kAccountKey ? "account key at" : "parameters of", subject);
}

// One run of the job.
class RotateJob {
 public:
  RotateJob(const Environment& environment, State& state)
      : environment_(environment), state_(state) {}

  Result<> run(const RotateOptions& options);
  Result<> run_what_is_due();
  RotateSummary take() { return std::move(summary_); }

 private:
  Result<> rotate_accounts();
  Result<> rotate_account(const std::string& server);
  Result<> change_account_key(const std::string& server);
  Result<> rotate_dhparams(const std::vector<std::string>& paths, DhparamChange& change);
  Result<> commit(DhparamChange& change);
  Result<> rotate_all();
  Result<> rotate_keys(const std::vector<std::string>& names);
  Result<> note_lost();
  Result<std::vector<std::string>> files_of_nginx();
  Result<std::vector<std::string>> due(const std::string& kind,
                                       const std::optional<base::Seconds>& life,
                                       const std::vector<std::string>& subjects);
  Result<std::vector<std::string>> servers();
  Result<> enter(const std::string& kind, const std::string& subject, const Result<>& result);

  const Environment& environment_;
  State& state_;
  RotateSummary summary_;
  std::vector<std::string> dhparams_;  // that are replaced by a change that is not committed yet
  std::size_t first_ = 0;              // where they stand among what was rotated
};

Result<> RotateJob::run(const RotateOptions& options) {
  switch (options.what) {
    case Rotation::due:
      return run_what_is_due();
    case Rotation::keys:
      return rotate_keys(options.names);
    case Rotation::account:
      return rotate_accounts();
    case Rotation::dhparam: {
      DhparamChange change(environment_, state_);
      TRY(rotate_dhparams(TRY(files_of_nginx()), change));
      return commit(change);
    }
    case Rotation::all:
      return rotate_all();
  }
  return {};
}

Result<> RotateJob::rotate_all() {
  TRY(rotate_accounts());
  DhparamChange change(environment_, state_);
  if (summary_.failed.empty()) TRY(rotate_dhparams(TRY(files_of_nginx()), change));
  Result<> done = summary_.failed.empty() ? rotate_keys({}) : Result<>();
  if (done && summary_.failed.empty()) return commit(change);
  if (change.has_begun()) {
    TRY(change.restore());
    summary_.unchanged.push_back("parameters of nginx: back as they were, since not all went well");
  }
  return done;
}

// ---- Accounts

// Those that somebody needs: of the settings' CA, and of those that certificates come from.
Result<std::vector<std::string>> RotateJob::servers() {
  std::vector<std::string> found;
  for (const store::AccountRecord& account : TRY(state_.catalog().accounts()))
    if (!account.url.empty() && (account.server == environment_.settings.server ||
                                 TRY(state_.catalog().has_certificate_of(account.server))))
      found.push_back(account.server);
  return found;
}

Result<> RotateJob::rotate_accounts() {
  const auto all = TRY(servers());
  if (all.empty()) summary_.unchanged.push_back("account key: there is no account yet");
  for (const std::string& server : all) TRY(rotate_account(server));
  return {};
}

Result<> RotateJob::rotate_account(const std::string& server) {
  return enter(kAccountKey, server, change_account_key(server));
}

// nginx answers for the key by its thumbprint. Whether it would take another answer is known before
// the CA is asked, since the CA's yes cannot be taken back.
Result<> RotateJob::change_account_key(const std::string& server) {
  const bool answers = TRY(must_answer_anew(environment_, state_, server));
  Issuer issuer(environment_, state_, server);
  TRY(issuer.change_key());
  if (!answers) return {};
  TRY(
      within("the CA has taken the new key, but nginx still answers for the old one, which the "
             "next renewal puts right",
             answer_for(environment_, state_, issuer.thumbprint())));
  return within("the CA has taken the new key, and nginx is to answer for it, but does not",
                prove_answer(environment_, state_, issuer.thumbprint()));
}

// ---- Diffie-Hellman parameters

Result<std::vector<std::string>> RotateJob::files_of_nginx() {
  auto files = TRY(dhparam_files(environment_));
  if (files.empty())
    summary_.unchanged.push_back(
        "parameters: nginx has no ssl_dhparam of ours, and [dhparam] files names none");
  return files;
}

Result<> RotateJob::rotate_dhparams(const std::vector<std::string>& paths, DhparamChange& change) {
  std::vector<std::string> own;
  for (const std::string& path : paths) {
    const auto group = TRY(rfc_group_in(environment_.files, path));
    if (group.empty()) {
      own.push_back(path);
      continue;
    }
    summary_.unchanged.push_back(
        fmt::format("parameters of {}: the group {} of RFC 7919 needs no rotation", path, group));
    TRY(state_.catalog().remove_chore({.kind = kDhparam, .subject = path}));
  }
  if (own.empty()) return {};
  const Result<> replaced = change.replace(own);
  if (replaced) {
    dhparams_ = own;
    first_ = summary_.rotated.size();
    return {};
  }
  for (const std::string& path : own) TRY(enter(kDhparam, path, replaced));
  return {};
}

// That the parameters stand and that they are new is one truth.
Result<> RotateJob::commit(DhparamChange& change) {
  auto transaction = TRY(state_.catalog().begin());
  TRY(change.commit());
  const auto before = static_cast<std::ptrdiff_t>(summary_.rotated.size());
  for (const std::string& path : dhparams_) TRY(enter(kDhparam, path, {}));
  const auto begin = summary_.rotated.begin();
  std::rotate(begin + std::min(static_cast<std::ptrdiff_t>(first_), before), begin + before,
              summary_.rotated.end());
  return transaction.commit();
}

// ---- Keys of certificates

// All are asked for: of those that the catalog does not know none is changed.
Result<> RotateJob::note_lost() {
  auto lost = TRY(find_lost(environment_, &state_.catalog()));
  std::erase_if(lost, &LostCertificate::is_known);
  if (lost.empty()) return {};
  const Error error{ErrorKind::invalid, lost_in_words(lost, environment_.settings)};
  environment_.reporter.failed("keys of certificates that are lost", error.message);
  summary_.failed.push_back({"keys of certificates that are lost", error});
  return {};
}

Result<> RotateJob::rotate_keys(const std::vector<std::string>& names) {
  std::vector<std::string> chosen = names;
  const auto certificates = TRY(state_.catalog().certificates());
  if (names.empty()) {
    for (const store::CertificateRecord& each : certificates) {
      if (!each.request.empty())
        summary_.unchanged.push_back(fmt::format(
            "key of {}: it is not ours; make a new request and give it to everseal issue --csr",
            each.name));
      else if (is_pinned(environment_.settings, each))
        summary_.unchanged.push_back(
            fmt::format("key of {}: pinned; `everseal rotate keys {}` changes it all the same",
                        each.name, each.name));
      else if (each.version > 0 && (each.method != store::Method::nginx || each.in_nginx))
        chosen.push_back(each.name);
    }
  } else {
    for (const std::string& name : names)
      for (const store::CertificateRecord& each : certificates)
        if (!each.request.empty() && std::ranges::find(each.names, name) != each.names.end())
          return base::invalid(fmt::format(
              "the key of {} is not ours: make a new request and give it to everseal issue --csr",
              each.name));
  }
  if (names.empty()) TRY(note_lost());
  if (chosen.empty()) return {};
  RenewSummary renewed = TRY(renew_certificates(
      environment_, {.names = chosen, .urgency = renew::Urgency::now, .keys = KeyChoice::all_new},
      state_));
  for (const std::string& name : renewed.renewed) summary_.rotated.push_back("key of " + name);
  std::ranges::move(renewed.failed, std::back_inserter(summary_.failed));
  std::ranges::move(renewed.left_undone, std::back_inserter(summary_.failed));
  std::ranges::move(renewed.failed_steps, std::back_inserter(summary_.failed));
  return {};
}

// ---- What is due

Result<> RotateJob::run_what_is_due() {
  const Settings& settings = environment_.settings;
  std::vector<std::string> accounts;
  for (const store::AccountRecord& account : TRY(state_.catalog().accounts()))
    if (!account.url.empty()) accounts.push_back(account.server);
  auto due_accounts = TRY(due(kAccountKey, settings.account_key_life, accounts));
  const auto used = due_accounts.empty() ? due_accounts : TRY(servers());
  for (const std::string& server : due_accounts)
    if (std::ranges::find(used, server) != used.end()) TRY(rotate_account(server));

  std::vector<std::string> files;
  for (const store::ChoreRecord& chore : TRY(state_.catalog().failing_chores(kDhparam)))
    files.push_back(chore.subject);
  if (settings.dhparam_life) files = TRY(dhparam_files(environment_));
  files = TRY(due(kDhparam, settings.dhparam_life, files));
  DhparamChange change(environment_, state_);
  TRY(rotate_dhparams(files, change));
  return commit(change);
}

// Those that are older than `life`, or whose last attempt has failed and may be repeated. Of what
// was not counted yet the age counts from now on.
Result<std::vector<std::string>> RotateJob::due(const std::string& kind,
                                                const std::optional<base::Seconds>& life,
                                                const std::vector<std::string>& subjects) {
  const Time now = environment_.clock.now();
  std::vector<std::string> found;
  for (const std::string& subject : subjects) {
    store::ChoreRecord chore = TRY(state_.catalog().chore(kind, subject));
    if (chore.failures > 0) {
      if (may_be_tried(chore, now)) found.push_back(subject);
    } else if (life && chore.done_at == Time()) {
      chore.done_at = now;
      TRY(state_.catalog().save_chore(chore));
    } else if (life && chore.done_at + *life <= now) {
      found.push_back(subject);
    }
  }
  return found;
}

Result<> RotateJob::enter(const std::string& kind, const std::string& subject,
                          const Result<>& result) {
  const std::string what = in_words(kind, subject);
  store::ChoreRecord chore = TRY(state_.catalog().chore(kind, subject));
  enter_result(chore, result, environment_.clock.now());
  TRY(state_.catalog().save_chore(chore));
  if (result) {
    environment_.reporter.done(what, "new; the old one is kept");
    summary_.rotated.push_back(what);
  } else {
    environment_.reporter.failed(what, result.error().message);
    summary_.failed.push_back({what, result.error()});
  }
  return {};
}

}  // namespace

Result<RotateSummary> rotate_what_is_due(const Environment& environment, State& state) {
  RotateJob job(environment, state);
  TRY(job.run_what_is_due());
  return job.take();
}

Result<RotateSummary> rotate(const Environment& environment, const RotateOptions& options) {
  if (!TRY(State::is_there(environment)))
    return RotateSummary{.rotated = {}, .unchanged = {"there are no keys yet"}, .failed = {}};
  State state = TRY(State::open(environment));
  TRY(write_own_files_anew(environment, state));
  TRY(take_back_what_was_left(environment, state));
  RotateJob job(environment, state);
  const Result<> done = job.run(options);
  RotateSummary summary = job.take();
  // Who names what is not there sees it: that is no trouble of this machine.
  const bool is_mistyped =
      !done && done.error().kind == ErrorKind::invalid && !options.names.empty();
  if (!is_mistyped)
    if (const auto told = tell_of_rotation(environment, state, done, summary.failed); !told)
      environment.reporter.failed("telling the administrator", told.error().message);
  TRY(done);
  return summary;
}

}  // namespace everseal::jobs
