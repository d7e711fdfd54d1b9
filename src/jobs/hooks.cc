#include "jobs/hooks.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "base/encoding.h"
#include "base/stop.h"
#include "crypto/jws.h"
#include "deploy/hook.h"
#include "jobs/chores.h"
#include "jobs/notices.h"
#include "jobs/words.h"

namespace everseal::jobs {
namespace {

using base::stop_requested;

// One call of run_hooks().
class Run {
 public:
  Run(const Environment& environment, State& state, renew::Urgency urgency)
      : environment_(environment), state_(state), urgency_(urgency) {}

  Result<std::vector<HookFailure>> run();

 private:
  using Act = std::function<Result<>()>;

  Result<> find_hooks();
  Result<> find_hooks_in(const std::string& directory);
  Result<bool> is_missed(const deploy::HookFile& hook);
  Result<> hand_over_all();
  Result<> run_hook(const std::string& hook, const deploy::HandedOver& certificate);
  std::string digest() const;
  Result<bool> hand_over(const store::CertificateRecord& certificate);
  Result<bool> attempt(const char* kind, const std::string& target,
                       const store::CertificateRecord& certificate, const Act& act);
  Result<> copy(const deploy::CopyRule& rule, const deploy::HandedOver& certificate);
  Result<> forget_what_is_no_more();
  void say_of_how_many() const;

  const Environment& environment_;
  State& state_;
  const renew::Urgency urgency_;
  std::vector<std::string> hooks_;
  std::set<std::string> not_executable_;  // of them
  bool are_all_known_ = true;
  std::set<std::string> planned_;  // "KIND SUBJECT"
  std::vector<HookFailure> failures_;
  // By "KIND TARGET" and the error's words, the names of certificates:
  using Names = std::map<std::pair<std::string, std::string>, std::vector<std::string>>;
  Names failed_;
  Names waiting_;
};

Result<std::vector<HookFailure>> Run::run() {
  TRY(find_hooks());
  if (!hooks_.empty() || !environment_.settings.copies.empty()) TRY(hand_over_all());
  if (are_all_known_) TRY(forget_what_is_no_more());
  say_of_how_many();
  return std::move(failures_);
}

// While not all are known that are to have it, none has been given all.
Result<> Run::hand_over_all() {
  const std::string how = digest();
  for (const auto& certificate : TRY(state_.catalog().certificates_to_hand_over(how)))
    if (TRY(hand_over(certificate)) && are_all_known_)
      TRY(state_.catalog().save_handed_over(certificate, how));
  return {};
}

Result<> Run::find_hooks() {
  const Settings& settings = environment_.settings;
  const std::string& directory = settings.hooks_directory;
  hooks_ = settings.hooks;
  const Result<> found = find_hooks_in(directory);
  for (const store::ChoreRecord& each : TRY(state_.catalog().failing_chores(kHooks)))
    if (found || each.subject != directory) TRY(state_.catalog().remove_chore(each));
  if (found) return {};
  are_all_known_ = false;
  store::ChoreRecord chore = TRY(state_.catalog().chore(kHooks, directory));
  enter_result(chore, found, environment_.clock.now());
  TRY(state_.catalog().save_chore(chore));
  const std::string what = fmt::format("{} {}", kHooks, directory);
  environment_.reporter.failed(what, found.error().message);
  failures_.push_back({"", what, found.error()});
  return {};
}

Result<> Run::find_hooks_in(const std::string& directory) {
  for (const deploy::HookFile& hook : TRY(deploy::hooks_in(environment_.files, directory))) {
    if (!hook.is_executable && !TRY(is_missed(hook))) continue;
    hooks_.push_back(hook.path);
    if (!hook.is_executable) not_executable_.insert(hook.path);
  }
  return {};
}

// Of one that is not executable: whether it was, and what it has failed at is still to be done.
// That one was is said once.
Result<bool> Run::is_missed(const deploy::HookFile& hook) {
  auto known = TRY(state_.catalog().chores(kHook));
  std::erase_if(known, [&](const store::ChoreRecord& each) {
    return !each.subject.starts_with(hook.path + " for ");
  });
  if (std::ranges::any_of(known, [](const auto& each) { return each.failures > 0; })) return true;
  for (const store::ChoreRecord& each : known) TRY(state_.catalog().remove_chore(each));
  if (!known.empty())
    enter_notice(environment_, state_, fmt::format("{} {}", kHook, hook.path),
                 fmt::format("the hook {0} is not executable any more and is not run; if it is to "
                             "be: chmod +x {0}",
                             hook.path));
  return false;
}

Result<> Run::run_hook(const std::string& hook, const deploy::HandedOver& certificate) {
  if (not_executable_.contains(hook))
    return base::rejected(fmt::format(
        "{0} is not executable: chmod +x {0}, or remove it if it is not to be run", hook));
  return deploy::run_hook(hook, certificate, environment_.settings.hook_timeout,
                          environment_.commands);
}

// Of who is to have certificates: with another answer all of them are given again.
std::string Run::digest() const {
  std::string text = fmt::format("{}", hooks_);
  for (const deploy::CopyRule& rule : environment_.settings.copies)
    text += fmt::format("{}", std::vector<std::string>{rule.name, rule.directory, rule.owner,
                                                       rule.group, fmt::format("{:o}", rule.mode),
                                                       fmt::format("{}", rule.files),
                                                       fmt::format("{}", rule.reload)});
  return base::hex(crypto::sha256(text)).substr(0, 16);
}

// Whether all has been done.
Result<bool> Run::hand_over(const store::CertificateRecord& certificate) {
  const Settings& settings = environment_.settings;
  const deploy::HandedOver told{
      .name = certificate.name,
      .names = certificate.names,
      .directory = fmt::format("{}/live/{}", settings.state, certificate.name),
      .has_key = certificate.request.empty(),
      .fingerprint = certificate.fingerprint,
      .expires = certificate.not_after};
  bool done = true;
  for (const deploy::CopyRule& rule : settings.copies) {
    const auto& names = certificate.names;
    if (!certificate.beside.empty() || std::ranges::find(names, rule.name) == names.end()) continue;
    done =
        TRY(attempt(kCopy, rule.directory, certificate, [&] { return copy(rule, told); })) && done;
  }
  for (const std::string& hook : hooks_)
    done = TRY(attempt(kHook, hook, certificate, [&] { return run_hook(hook, told); })) && done;
  return done;
}

// A certificate that is new to it is given at once, whatever went wrong with the one before.
Result<bool> Run::attempt(const char* kind, const std::string& target,
                          const store::CertificateRecord& certificate, const Act& act) {
  const std::string subject = fmt::format("{} for {}", target, certificate.name);
  planned_.insert(fmt::format("{} {}", kind, subject));
  store::ChoreRecord chore = TRY(state_.catalog().chore(kind, subject));
  const bool is_new = chore.done_for != certificate.fingerprint;
  if (!is_new && chore.failures == 0) return true;
  if (stop_requested) return false;
  const Time now = environment_.clock.now();
  const std::string step = fmt::format("{} {}", kind, target);
  if (!is_new && urgency_ == renew::Urgency::when_due && !may_be_tried(chore, now)) {
    waiting_[{step, fmt::format("waits until {} after: {}", base::to_rfc3339(chore.next_attempt),
                                chore.last_error)}]
        .push_back(certificate.name);
    return false;
  }
  environment_.reporter.progress(certificate.name, fmt::format("{} {}", kind, target));
  const Result<> result = act();
  if (!result && stop_requested) return false;  // ended by us: the next run begins with it
  chore.done_for = certificate.fingerprint;
  enter_result(chore, result, environment_.clock.now());
  TRY(state_.catalog().save_chore(chore));
  if (result) {
    environment_.reporter.done(certificate.name, fmt::format("{} {} done", kind, target));
    return true;
  }
  const std::string what = fmt::format("{} {}", kind, subject);
  std::vector<std::string>& names = failed_[{step, result.error().message}];
  if (names.empty()) environment_.reporter.failed(what, result.error().message);
  names.push_back(certificate.name);
  failures_.push_back({certificate.name, what, result.error()});
  return false;
}

Result<> Run::copy(const deploy::CopyRule& rule, const deploy::HandedOver& certificate) {
  TRY(deploy::copy_files(rule, certificate.directory, environment_.files));
  if (rule.reload.empty()) return {};
  return deploy::run_to_success({.arguments = rule.reload,
                                 .timeout = environment_.settings.hook_timeout,
                                 .on_stop = base::OnStop::end},
                                environment_.commands);
}

// Nobody is to be told for ever of a hook that was taken away.
Result<> Run::forget_what_is_no_more() {
  for (const char* kind : {kHook, kCopy})
    for (const store::ChoreRecord& chore : TRY(state_.catalog().failing_chores(kind)))
      if (!planned_.contains(fmt::format("{} {}", kind, chore.subject)))
        TRY(state_.catalog().remove_chore(chore));
  return {};
}

// What went wrong with many in the same way is said once.
void Run::say_of_how_many() const {
  for (const auto& [step, names] : failed_)
    if (names.size() > 1)
      environment_.reporter.failed(
          fmt::format("{} for {}", step.first, some_of({names.begin() + 1, names.end()})),
          "the same");
  for (const auto& [step, names] : waiting_)
    environment_.reporter.note(
        fmt::format("{} for {} {}; to try at once: everseal renew --force NAME", step.first,
                    some_of(names), step.second));
}

}  // namespace

Result<std::vector<HookFailure>> run_hooks(const Environment& environment, State& state,
                                           renew::Urgency urgency) {
  return Run(environment, state, urgency).run();
}

}  // namespace everseal::jobs
