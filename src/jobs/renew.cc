#include "jobs/renew.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "base/domain_name.h"
#include "base/encoding.h"
#include "jobs/activation.h"
#include "jobs/challenge_answer.h"
#include "jobs/chores.h"
#include "jobs/chronicle.h"
#include "jobs/damage.h"
#include "jobs/haproxy.h"
#include "jobs/hooks.h"
#include "jobs/hsts_step.h"
#include "jobs/kept.h"
#include "jobs/named.h"
#include "jobs/own_files.h"
#include "jobs/repair.h"
#include "jobs/rotate.h"
#include "jobs/server.h"
#include "jobs/status.h"
#include "jobs/telling.h"
#include "jobs/unfinished.h"

namespace everseal::jobs {
namespace {

using Certificates = std::vector<store::CertificateRecord>;

constexpr base::Seconds kSilence = std::chrono::hours(1);
constexpr base::Seconds kFilesAreGood = std::chrono::hours(22);  // a day less a timer's delay
constexpr std::int64_t kFewCertificates = 500;

// What is said of a step that the certificates do not need.
void add_trouble(const Environment& environment, std::vector<RenewalFailure>& troubles,
                 std::string what, const Result<>& done) {
  if (done) return;
  environment.reporter.failed(what, done.error().message);
  troubles.push_back({std::move(what), done.error()});
}

// If somebody has put an older catalog back, the versions that it lacks are entered: none is
// ordered again.
void catch_up_all(const Environment& environment, State& state, Certificates& certificates) {
  for (store::CertificateRecord& each : certificates)
    if (const auto caught_up = catch_up(environment, state, each); !caught_up)
      environment.reporter.note(fmt::format("{}: {}", each.name, caught_up.error().message));
    else if (*caught_up)
      environment.reporter.note(fmt::format(
          "{}: version {} is live, which the catalog did not know: an older catalog was put back; "
          "`everseal repair` looks for all that it lacks",
          each.name, each.version));
}

// What a dry run takes for due, as the real run would have made it so: those of which not enough is
// left. The files that would be put right are said.
Result<std::set<std::string>> look_at_files(const Environment& environment, State& state,
                                            const RenewOptions& options) {
  const Time last = TRY(state.catalog().last(store::Moment::files_check));
  auto certificates = TRY(state.catalog().certificates());
  std::erase_if(certificates, [&](const store::CertificateRecord& each) {
    return options.names.empty()
               ? !may_be_damaged(state, each, last)
               : std::ranges::find_first_of(each.names, options.names) == each.names.end();
  });
  std::set<std::string> due;
  for (std::string& name : TRY(find_beyond_repair(environment, state, certificates)))
    due.insert(std::move(name));
  for (const store::CertificateRecord& each : certificates)
    if (!due.contains(each.name) &&
        !state.certificates().is_at_hand(each.name, each.version, each.request.empty()))
      environment.reporter.note(fmt::format("{}: its files would be put right", each.name));
  return due;
}

// One run of the job.
class RenewJob {
 public:
  RenewJob(const Environment& environment, const RenewOptions& options, State& state)
      : environment_(environment), options_(options), state_(state) {}

  Result<RenewSummary> run();

 private:
  Result<Certificates> candidates();
  Result<> add_lost_files(Certificates& certificates);
  Result<> ask(Certificates& certificates);
  Result<> ask_at(const std::string& server, std::vector<store::CertificateRecord*> certificates);
  Result<renew::Plan> plan(const Certificates& certificates);
  Result<> put_off(const RecordsById& certificates, const renew::Plan& plan);
  Wanted wanted(const store::CertificateRecord& certificate, const renew::Action& action);
  void explain(const store::CertificateRecord& certificate, const renew::Action& action);
  std::optional<Time> when_tried_again(const renew::Action& action,
                                       const store::CertificateRecord& certificate) const;
  Result<> issue(std::vector<Wanted> wanted);
  Result<> issue_at(const std::string& server, std::vector<Wanted> wanted);
  Result<> fail_all(std::vector<Wanted> wanted, const Error& error);
  Result<> install(std::vector<Issued> versions, Served served);
  Result<> install_in_nginx(Activation& activation);
  Result<> show_by_haproxy();
  Result<> run_hooks();
  void note_step(std::string what, const Result<>& done) {
    add_trouble(environment_, summary_.failed_steps, std::move(what), done);
  }
  void drop(Activation& activation, const std::string& name, Error error);
  void finish(const Activation& activation);

  const Environment& environment_;
  const RenewOptions& options_;
  State& state_;
  std::vector<Issued> ready_;
  RenewSummary summary_;
};

Result<RenewSummary> RenewJob::run() {
  Certificates certificates = TRY(candidates());
  if (options_.dry_run) TRY(add_lost_files(certificates));
  if (!options_.dry_run) catch_up_all(environment_, state_, certificates);
  if (options_.urgency == renew::Urgency::when_due && !options_.dry_run) TRY(ask(certificates));
  std::vector<Wanted> to_issue;
  const renew::Plan plan = TRY(this->plan(certificates));
  summary_.doubt = plan.doubt;
  if (!plan.doubt.empty())
    environment_.reporter.note(fmt::format("{}: nothing is renewed by such a clock", plan.doubt));
  const auto all = by_id(certificates);
  std::optional<Time> next_try;  // of those that are to be tried again, as status says it
  for (const renew::Action& action : plan.actions) {
    const store::CertificateRecord& certificate = *all.at(action.id);
    if (const auto at = when_tried_again(action, certificate)) {
      ++summary_.waiting;
      next_try = std::min(next_try.value_or(*at), *at);
    }
    if (TRY(is_unfinished(state_.catalog(), certificate)))
      summary_.unfinished.push_back(certificate.name);
    if (plan.doubt.empty()) explain(certificate, action);
    if (action.what != renew::Do::order && action.what != renew::Do::install) continue;
    if (options_.dry_run)
      summary_.planned.push_back(certificate.name);
    else if (action.what == renew::Do::order)
      to_issue.push_back(wanted(certificate, action));
    else if (const auto ready =
                 TRY(state_.catalog().version(certificate.id, store::VersionState::ready)))
      ready_.push_back({certificate, *ready});
  }
  if (!options_.dry_run) TRY(put_off(all, plan));
  TRY(issue(std::move(to_issue)));

  const auto elsewhere = std::ranges::stable_partition(
      ready_, [](const Issued& issued) { return issued.certificate.in_nginx; });
  TRY(install({ready_.begin(), elsewhere.begin()}, Served::by_nginx));
  const std::vector<std::string> in_nginx = summary_.renewed;
  TRY(install({elsewhere.begin(), elsewhere.end()}, Served::elsewhere));
  note_step("certificates could not be given to HAProxy", show_by_haproxy());
  note_step("hooks could not be run", run_hooks());
  note_step("the next step of Strict-Transport-Security could not be taken",
            step_hsts(environment_, state_, in_nginx));

  const store::Catalog::Count count = TRY(state_.catalog().count(environment_.clock.now()));
  summary_.certificates = count.certificates;
  summary_.next_renewal = count.next_renewal;
  if (next_try)
    summary_.next_renewal = std::min(summary_.next_renewal.value_or(*next_try), *next_try);
  summary_.next_looks_are_noted = plan.doubt.empty();
  summary_.next_look = plan.doubt.empty() ? count.next_look : plan.next;
  return std::move(summary_);
}

// When a certificate that waits is tried again. Asking the CA about its window does not count.
std::optional<Time> RenewJob::when_tried_again(const renew::Action& action,
                                               const store::CertificateRecord& certificate) const {
  const Time now = environment_.clock.now();
  const bool is_wanted = certificate.renew_at <= now || certificate.failures > 0;
  if (action.what != renew::Do::nothing || !is_wanted) return std::nullopt;
  renew::Kept kept = to_kept(certificate, renew::Progress::none);
  kept.ask_at = Time::max();
  const Time at = renew::decide(kept, now).at;
  if (at == Time::max()) return std::nullopt;
  return at > now ? at : action.at;  // the CA's limits say when
}

Result<Certificates> RenewJob::candidates() {
  if (options_.names.empty() && options_.urgency == renew::Urgency::when_due &&
      options_.look != Look::at_all) {
    const Time until = environment_.clock.now() + options_.until_next_look;
    Certificates found = TRY(state_.catalog().certificates_to_look_at(until));
    if (options_.look == Look::at_due)
      std::ranges::move(TRY(state_.catalog().waiting_certificates(until)),
                        std::back_inserter(found));
    return found;
  }
  Certificates all = TRY(state_.catalog().certificates());
  if (options_.names.empty()) return all;
  Certificates chosen;
  for (const std::string& text : options_.names) {
    const std::string name = TRY(base::parse_domain_name(text));
    const auto found = std::ranges::find_if(all, [&](const store::CertificateRecord& certificate) {
      return std::ranges::find(certificate.names, name) != certificate.names.end();
    });
    if (found == all.end())
      return base::invalid(
          fmt::format("no certificate has the name {}; see everseal status", name));
    if (std::ranges::find(chosen, found->name, &store::CertificateRecord::name) == chosen.end())
      chosen.push_back(*found);
  }
  return chosen;
}

// In a dry run, which makes nothing due: what the real one would.
Result<> RenewJob::add_lost_files(Certificates& certificates) {
  const std::set<std::string> lost = TRY(look_at_files(environment_, state_, options_));
  for (const std::string& name : lost) {
    auto found = std::ranges::find(certificates, name, &store::CertificateRecord::name);
    if (found == certificates.end())
      found = certificates.insert(found, *TRY(state_.catalog().certificate(name)));
    found->renew_at = found->next_look = {};
  }
  return {};
}

// By CA, about those that it may be asked about again. One that says nothing is asked an hour
// later.
Result<> RenewJob::ask(Certificates& certificates) {
  const Time now = environment_.clock.now();
  std::map<std::string, std::vector<store::CertificateRecord*>> by_server;
  for (store::CertificateRecord& each : certificates)
    if (!each.renewal_id.empty() && renew::may_be_asked(each.ask_at, now) && now < each.not_after)
      by_server[each.server].push_back(&each);
  for (auto& [server, group] : by_server) TRY(ask_at(server, std::move(group)));
  return {};
}

Result<> RenewJob::ask_at(const std::string& server,
                          std::vector<store::CertificateRecord*> certificates) {
  const Time now = environment_.clock.now();
  std::vector<std::string> ids;
  for (const auto* const each : certificates) ids.push_back(each->renewal_id);
  Issuer issuer(environment_, state_, server);
  auto answers = issuer.renewal_info(ids);
  if (!answers)
    answers = std::vector(ids.size(), acme::RenewalInfo{.window = std::unexpected(answers.error()),
                                                        .ask_again = kSilence});
  Certificates answered;
  for (std::size_t i = 0; i < certificates.size(); ++i) {
    if ((*answers)[i].ca_time) summary_.ca_time = (*answers)[i].ca_time;
    enter_answer(*certificates[i], (*answers)[i], now);
    answered.push_back(*certificates[i]);
  }
  return state_.catalog().save_certificates(answered);
}

Result<renew::Plan> RenewJob::plan(const Certificates& certificates) {
  const ProgressById unfinished = TRY(read_progress(state_.catalog()));
  std::vector<renew::Kept> inventory;
  for (const store::CertificateRecord& certificate : certificates) {
    const auto progress = unfinished.find(certificate.id);
    inventory.push_back(to_kept(
        certificate, progress == unfinished.end() ? renew::Progress::none : progress->second));
    if (options_.dry_run) inventory.back().ask_at = Time::max();  // nobody is asked
  }
  const renew::LimitLedger limits = TRY(state_.limits(environment_.settings));
  const auto expected = summary_.ca_time ? summary_.ca_time : options_.expected;
  return renew::plan(inventory, {.now = environment_.clock.now(), .expected = expected}, limits,
                     {.until_next_look = options_.until_next_look, .urgency = options_.urgency});
}

// Those that are not due are not looked at before they are, by a clock that is believed.
Result<> RenewJob::put_off(const RecordsById& certificates, const renew::Plan& plan) {
  if (!plan.doubt.empty()) return {};
  Certificates later;
  for (const renew::Action& action : plan.actions) {
    if (action.what != renew::Do::nothing) continue;
    later.push_back(*certificates.at(action.id));
    later.back().next_look = next_look(action, environment_.clock.now());
  }
  return state_.catalog().save_next_looks(later);
}

// A request that is not ours asks for all its names: none can be left out.
Wanted RenewJob::wanted(const store::CertificateRecord& certificate, const renew::Action& action) {
  if (certificate.request.empty() || action.names.size() == certificate.names.size())
    return {certificate, action.names, action.retries_names};
  environment_.reporter.note(fmt::format(
      "{}: the CA refuses some of its names, and its request asks for all of them: make a "
      "new request and give it to everseal issue --csr",
      certificate.name));
  return {certificate, certificate.names, false};
}

// Why what is due is not done.
void RenewJob::explain(const store::CertificateRecord& certificate, const renew::Action& action) {
  const Time now = environment_.clock.now();
  if (action.what != renew::Do::nothing || waits_for_secure(certificate)) return;
  if (certificate.renew_at > now && certificate.failures == 0 &&
      options_.urgency == renew::Urgency::when_due)
    return;
  if (action.at == Time::max())
    environment_.reporter.note(
        fmt::format("{}: not renewed, nginx does not refer to it", certificate.name));
  else if (certificate.failures > 0)
    environment_.reporter.note(fmt::format("{}: waits until {} after: {}", certificate.name,
                                           base::to_rfc3339(action.at), certificate.last_error));
  else
    environment_.reporter.note(fmt::format("{}: waits until {}: {}", certificate.name,
                                           base::to_rfc3339(action.at), action.why));
}

// By CA: one that cannot be reached does not stop the others.
Result<> RenewJob::issue(std::vector<Wanted> wanted) {
  std::map<std::string, std::vector<Wanted>> by_server;
  const Settings& settings = environment_.settings;
  for (Wanted& each : wanted) {
    store::CertificateRecord& certificate = each.certificate;
    const auto& key_type =
        certificate.beside.empty() ? settings.key_type : settings.second_key_type;
    const bool may_change = certificate.request.empty() && !is_pinned(settings, certificate);
    if (key_type && may_change) certificate.key_type = crypto::to_string(*key_type);
    if (!settings.preferred_chain.empty()) certificate.preferred_chain = settings.preferred_chain;
    by_server[certificate.server].push_back(std::move(each));
  }
  for (auto& [server, group] : by_server) TRY(issue_at(server, std::move(group)));
  return {};
}

Result<> RenewJob::issue_at(const std::string& server, std::vector<Wanted> wanted) {
  Issuer issuer(environment_, state_, server);
  if (const auto opened = issuer.open_account(); !opened)
    return fail_all(std::move(wanted), opened.error());
  const auto by_nginx = std::ranges::stable_partition(
      wanted, [](const Wanted& each) { return each.certificate.method != store::Method::nginx; });
  if (!by_nginx.empty())
    if (const auto ready = answer_for(environment_, state_, issuer.thumbprint()); !ready) {
      TRY(fail_all({by_nginx.begin(), by_nginx.end()}, ready.error()));
      wanted.erase(by_nginx.begin(), by_nginx.end());
    }
  issuer.on_new_key([&] { return answer_for(environment_, state_, issuer.thumbprint()); });
  IssueReport report = TRY(issuer.issue(std::move(wanted), options_.keys));
  for (NotIssued& failed : report.failed)
    summary_.failed.push_back({failed.certificate.name, std::move(failed.error)});
  std::ranges::move(report.issued, std::back_inserter(ready_));
  return {};
}

// Without the account nothing is ordered; each is tried again when it would be after any failure.
Result<> RenewJob::fail_all(std::vector<Wanted> wanted, const Error& error) {
  Certificates failed;
  Chronicle chronicle(environment_, state_);
  for (Wanted& each : wanted) {
    const renew::Action action{.names = std::move(each.names), .retries_names = each.retries_names};
    enter_failure(each.certificate, action, {.chain = std::unexpected(error)},
                  environment_.clock.now());
    environment_.reporter.failed(each.certificate.name, error.message);
    chronicle.add(each.certificate.name, store::EventKind::failed, error.message);
    summary_.failed.push_back({each.certificate.name, error});
    failed.push_back(std::move(each.certificate));
  }
  return state_.catalog().save_certificates(failed);
}

Result<> RenewJob::install(std::vector<Issued> versions, Served served) {
  if (versions.empty()) return {};
  Activation activation(environment_, state_, std::move(versions));
  for (NotSwitched& failed : activation.switch_links())
    summary_.failed.push_back({failed.certificate.name, std::move(failed.error)});
  if (served == Served::by_nginx) {
    if (auto installed = install_in_nginx(activation); !installed) {
      const std::vector<Issued> all = activation.versions();
      for (const Issued& issued : all) drop(activation, issued.certificate.name, installed.error());
    }
  }
  TRY(activation.commit(served));
  finish(activation);
  return {};
}

// `nginx -t`, one reload for all, and the proof; who is not proven goes back.
Result<> RenewJob::install_in_nginx(Activation& activation) {
  const Server server = TRY(Server::find(environment_));
  static_cast<void>(TRY(server.instance().master()));
  const auto tested = server.test_as_it_stands();
  summary_.nginx_is_refused = !tested;
  TRY(tested);
  const nginx::Model model = TRY(server.model());
  const nginx::Sites sites = nginx::find_sites(model);
  std::vector<deploy::Expectation> expectations;
  for (const Issued& issued : activation.versions()) {
    const std::string bundle = state_.certificates().bundle_path(issued.certificate.name);
    for (const nginx::Site& site : sites.sites)
      if (std::ranges::find(site.pairs, bundle, &nginx::CertificatePair::certificate) !=
          site.pairs.end())
        expect(expectations, model, site, issued.certificate, issued.version.fingerprint);
  }
  const auto reloaded = deploy::reload(server.instance(), deploy::kPatience);
  Result<> live = reloaded ? Result<>() : std::unexpected(reloaded.error());
  std::vector<deploy::Disproof> disproofs;
  if (live) disproofs = TRY(prove(environment_, model, expectations));
  if (live) live = deploy::check_alive(server.instance(), *reloaded);
  if (live) note_leftover(environment_, *reloaded);
  if (!live) {
    const std::vector<Issued> all = activation.versions();
    for (const Issued& issued : all) drop(activation, issued.certificate.name, live.error());
    // Nothing is to be taken back from a master that has taken nothing.
    if (live.error().kind != ErrorKind::rejected)
      TRY(deploy::reload(server.instance(), deploy::kPatience));
    return {};
  }
  for (const deploy::Disproof& disproof : disproofs)
    for (const Issued& issued : std::vector<Issued>(activation.versions()))
      if (std::ranges::find(issued.certificate.names, disproof.name) !=
          issued.certificate.names.end())
        drop(activation, issued.certificate.name, disproof.error);
  if (!disproofs.empty()) TRY(deploy::reload(server.instance(), deploy::kPatience));
  return {};
}

Result<> RenewJob::show_by_haproxy() {
  if (options_.dry_run) return {};
  HaproxyReport report = TRY(put_into_haproxy(environment_, state_));
  summary_.in_haproxy = std::move(report.served);
  for (NotServed& failed : report.failed)
    summary_.failed.push_back(
        {failed.certificate.name, std::move(failed.error), failed.is_unheard});
  return {};
}

Result<> RenewJob::run_hooks() {
  if (options_.dry_run) return {};
  for (HookFailure& failed : TRY(jobs::run_hooks(environment_, state_, options_.urgency)))
    summary_.left_undone.push_back({std::move(failed.what), std::move(failed.error)});
  return {};
}

// The version stays ready: the next run tries to install it again, without asking the CA.
void RenewJob::drop(Activation& activation, const std::string& name, Error error) {
  activation.give_up(name, error.message);
  error.message += "; the certificate is kept and will be installed by the next run";
  environment_.reporter.failed(name, error.message);
  summary_.failed.push_back({name, std::move(error)});
}

void RenewJob::finish(const Activation& activation) {
  for (const Issued& issued : activation.versions()) {
    const store::CertificateRecord& certificate = issued.certificate;
    environment_.reporter.done(
        certificate.name,
        fmt::format("renewed, valid until {}", base::to_rfc3339(issued.version.not_after)));
    for (const store::FailingName& each : left_out(certificate))
      environment_.reporter.note(fmt::format("{}: without {}, which is tried again: {}",
                                             certificate.name, each.name, each.words));
    summary_.renewed.push_back(issued.certificate.name);
  }
}

// Who names certificates, or asks what would be done, sees what comes of it.
bool is_for_all(const RenewOptions& options) { return options.names.empty() && !options.dry_run; }

// That it ran, if it is known when.
Result<> note_run(State& state, Result<RenewSummary>& summary, Time now) {
  if (summary && !summary->doubt.empty()) return {};
  const Time last = TRY(state.catalog().last(store::Moment::renewal_run));
  if (summary && last != Time() && now - last > kLongestSilence) summary->silence = now - last;
  return state.catalog().save_last(store::Moment::renewal_run, now);
}

// Whether nginx would start again, where it serves something of ours: a restart may be long to
// come. What it says is told as a chore's failure. Errors: those of the catalog.
Result<Result<>> test_nginx(const Environment& environment, State& state) {
  const bool is_used = TRY(state.catalog().has_certificate_in_nginx());
  const auto failing = TRY(state.catalog().failing_chores(kNginxTest));
  if (!is_used && failing.empty()) return Result<>();
  const auto server = Server::find(environment);
  if (!server && server.error().kind != ErrorKind::not_found) return Result<>();  // served says so
  const std::string config = server && is_used ? server->instance().config_path() : "";
  for (const store::ChoreRecord& each : failing)
    if (each.subject != config) TRY(state.catalog().remove_chore(each));
  if (config.empty()) return Result<>();
  store::ChoreRecord chore = TRY(state.catalog().chore(kNginxTest, config));
  const Result<> tested = server->test_as_it_stands();
  if (!tested) environment.reporter.failed("nginx", tested.error().message);
  enter_result(chore, tested, environment.clock.now());
  TRY(state.catalog().save_chore(chore));
  return tested;
}

// What belongs to a run beside what is due: proof of what is served, once a day, and that it ran.
Result<> finish_run(const Environment& environment, const RenewOptions& options, State& state,
                    Result<RenewSummary>& summary) {
  const Time now = environment.clock.now();
  TRY(note_run(state, summary, now));
  const bool is_failing = !TRY(state.catalog().failing_chores(kNginxTest)).empty();
  const bool is_time = TRY(next_check(state, now)) <= now;
  bool is_readable = true;
  if (!stop_requested && is_time) {
    if (summary)
      add_trouble(environment, summary->failed_steps, "the catalog is not whole",
                  state.catalog().check());
    auto served = check_served(environment, state);
    is_readable = served.has_value();
    if (!served && stop_requested) return {};  // the next run looks
    if (!served) environment.reporter.failed("what nginx serves", served.error().message);
    if (summary && !served)
      summary->not_looked = std::move(served).error();
    else if (summary)
      summary->served = *std::move(served);
  }
  // Where the configuration cannot be read, or has kept certificates from being installed, that is
  // said already.
  const bool is_said = !is_readable || (summary && summary->nginx_is_refused);
  const bool is_asked = options.look == Look::at_due;  // by a person, or once a day by a timer
  if (!stop_requested && !is_said && (is_time || is_failing || is_asked)) {
    const Result<> tested = TRY(test_nginx(environment, state));
    if (summary && !tested) summary->left_undone.push_back({"nginx", tested.error()});
  }
  if (summary && summary->next_look)
    summary->next_look =
        std::min(*summary->next_look, std::max(TRY(next_check(state, now)), now + kSilence));
  return {};
}

// All of them once a day. Otherwise those that are named, or of few certificates those whose files
// may have changed since: their contents are not read for that.
Result<> look_after_files(const Environment& environment, State& state,
                          const RenewOptions& options) {
  const Time now = environment.clock.now(),
             last = TRY(state.catalog().last(store::Moment::files_check));
  const bool is_time = last + kFilesAreGood <= now || last > now;
  const bool is_asked =
      options.look == Look::at_due &&
      (!options.names.empty() || TRY(state.catalog().count(now)).certificates <= kFewCertificates);
  if (!is_time && !is_asked) return {};
  auto certificates = TRY(state.catalog().certificates());
  catch_up_all(environment, state, certificates);  // what is live is right, whatever is known of it
  const bool is_for_all = options.names.empty();
  std::erase_if(certificates, [&](const store::CertificateRecord& each) {
    return is_for_all ? !is_time && !may_be_damaged(state, each, last)
                      : std::ranges::find_first_of(each.names, options.names) == each.names.end();
  });
  TRY(mend_files(environment, state, certificates));
  return is_for_all && is_time ? state.catalog().save_last(store::Moment::files_check, now)
                               : Result<>();
}

// Before the certificates: renewing edits no file of nginx, so that whatever fails here keeps none
// of them from being renewed.
std::vector<RenewalFailure> put_right(const Environment& environment, State& state,
                                      const RenewOptions& options) {
  std::vector<RenewalFailure> troubles;
  add_trouble(environment, troubles, "the files of certificates could not be looked after",
              look_after_files(environment, state, options));
  add_trouble(environment, troubles, "our files in nginx's configuration could not be looked after",
              write_own_files_anew(environment, state));
  add_trouble(environment, troubles, "a change to nginx was left unfinished",
              take_back_what_was_left(environment, state));
  return troubles;
}

// After the certificates: what fails here has kept none of them from being renewed.
Result<RenewSummary> renew_and_rotate(const Environment& environment, const RenewOptions& options,
                                      State& state) {
  RenewSummary summary = TRY(renew_certificates(environment, options, state));
  if (!is_for_all(options) || !summary.doubt.empty()) return summary;
  auto rotated = rotate_what_is_due(environment, state);
  if (const auto next = TRY(state.catalog().next_chore()))
    summary.next_look = std::min(summary.next_look.value_or(*next), *next);
  if (!rotated) {
    add_trouble(environment, summary.failed_steps, "keys and parameters could not be rotated",
                std::unexpected(rotated.error()));
    return summary;
  }
  summary.rotated = std::move(rotated->rotated);
  std::ranges::move(rotated->failed, std::back_inserter(summary.left_undone));
  return summary;
}

// Nullopt, where there is none yet or another job is at work.
Result<std::optional<State>> open_state(const Environment& environment) {
  if (!TRY(State::is_there(environment))) return std::nullopt;
  auto idle = TRY(State::open_if_idle(environment));
  if (idle) return idle;
  if (const std::string stuck = stuck_holder(environment.settings); !stuck.empty())
    return base::transient(stuck);
  return std::nullopt;
}

Result<RenewSummary> without_state(const Environment& environment) {
  RenewSummary summary;
  if (!TRY(State::is_there(environment))) return summary;
  const auto holder = State::holder(environment.settings);
  environment.reporter.note(
      fmt::format("Another everseal (process {}) is at work, or waits for an answer at its "
                  "terminal: nothing was renewed; the next run does what is due then.",
                  holder ? holder->process : 0));
  summary.others_work = true;
  summary.next_look = environment.clock.now() + std::chrono::minutes(1);
  return summary;
}

// That none is lost. A dry run has brought no files back.
Result<> check_none_is_lost(const Environment& environment, State& state, bool is_dry) {
  auto lost = TRY(find_lost(environment, &state.catalog()));
  if (is_dry) std::erase_if(lost, &LostCertificate::is_known);
  if (lost.empty()) return {};
  return base::invalid(lost_in_words(lost, environment.settings));
}

Result<RenewSummary> renew_in(const Environment& environment, const RenewOptions& options,
                              State& state) {
  std::vector<RenewalFailure> troubles;
  if (!options.dry_run) troubles = put_right(environment, state, options);
  RenewSummary summary = TRY(renew_and_rotate(environment, options, state));
  if (options.names.empty())
    add_trouble(environment, troubles, "certificates are lost",
                check_none_is_lost(environment, state, options.dry_run));
  std::ranges::move(troubles, std::back_inserter(summary.failed_steps));
  return summary;
}

// What could not be recorded is a failure of the run, though certificates are in use.
void add_unrecorded(RenewSummary& summary, const Error& error) {
  if (summary.unrecorded) return;
  summary.unrecorded = error;
  summary.left_undone.push_back({"the record of this run", error});
}

void finish(const Environment& environment, const RenewOptions& options, State& state,
            Result<RenewSummary>& summary) {
  if (const auto finished = finish_run(environment, options, state, summary); !finished) {
    environment.reporter.failed("the record of this run", finished.error().message);
    if (summary) add_unrecorded(*summary, finished.error());
  }
  if (const auto told = tell_of_renewal(environment, state, summary); !told) {
    environment.reporter.failed("telling the administrator", told.error().message);
    if (summary) add_unrecorded(*summary, told.error());
  }
}

}  // namespace

Result<RenewSummary> renew_certificates(const Environment& environment, const RenewOptions& options,
                                        State& state) {
  return RenewJob(environment, options, state).run();
}

Result<RenewSummary> renew(const Environment& environment, const RenewOptions& options) {
  auto opened = open_state(environment);
  if (!opened && is_for_all(options)) tell_of_no_run(environment, opened.error());
  std::optional<State> state = TRY(std::move(opened));
  // That another job is at work is nobody's trouble: who asked for more than that one does hears
  // it.
  if (!state && options.urgency != renew::Urgency::when_due && TRY(State::is_there(environment)))
    state.emplace(TRY(State::open(environment)));
  if (!state) return without_state(environment);
  auto summary = renew_in(environment, options, *state);
  if (is_for_all(options)) finish(environment, options, *state, summary);
  return summary;
}

}  // namespace everseal::jobs
