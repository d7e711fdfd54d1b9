#include "jobs/renew.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/domain_name.h"
#include "base/encoding.h"
#include "jobs/activation.h"
#include "jobs/challenge_answer.h"
#include "jobs/chronicle.h"
#include "jobs/haproxy.h"
#include "jobs/hooks.h"
#include "jobs/hsts_step.h"
#include "jobs/kept.h"
#include "jobs/repair.h"
#include "jobs/rotate.h"
#include "jobs/server.h"
#include "jobs/status.h"
#include "jobs/telling.h"
#include "store/schema.h"

namespace everseal::jobs {
namespace {

using Certificates = std::vector<store::CertificateRecord>;

constexpr base::Seconds kSilence = std::chrono::hours(1);

// One run of the job.
class RenewJob {
 public:
  RenewJob(const Environment& environment, const RenewOptions& options, State& state)
      : environment_(environment), options_(options), state_(state) {}

  Result<RenewSummary> run();

 private:
  Result<Certificates> candidates();
  Result<> catch_up_all(Certificates& certificates);
  Result<> ask(Certificates& certificates);
  Result<> ask_at(const std::string& server, std::vector<store::CertificateRecord*> certificates);
  Result<renew::Plan> plan(const Certificates& certificates);
  Result<> put_off(const RecordsById& certificates, const renew::Plan& plan);
  Wanted wanted(const store::CertificateRecord& certificate, const renew::Action& action);
  void explain(const store::CertificateRecord& certificate, const renew::Action& action);
  Result<> issue(std::vector<Wanted> wanted);
  Result<> issue_at(const std::string& server, std::vector<Wanted> wanted);
  Result<> fail_all(std::vector<Wanted> wanted, const Error& error);
  Result<> install(std::vector<Issued> versions, Served served);
  Result<> install_in_nginx(Activation& activation);
  Result<> show_by_haproxy();
  Result<> run_hooks();
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
  if (!options_.dry_run) TRY(catch_up_all(certificates));
  if (options_.urgency == renew::Urgency::when_due && !options_.dry_run) TRY(ask(certificates));
  std::vector<Wanted> to_issue;
  const renew::Plan plan = TRY(this->plan(certificates));
  summary_.doubt = plan.doubt;
  if (!plan.doubt.empty())
    environment_.reporter.note(fmt::format("{}: nothing is renewed by such a clock", plan.doubt));
  const auto all = by_id(certificates);
  for (const renew::Action& action : plan.actions) {
    const store::CertificateRecord& certificate = *all.at(action.id);
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
  TRY(show_by_haproxy());
  TRY(run_hooks());
  TRY(within("the next step of Strict-Transport-Security",
             step_hsts(environment_, state_, in_nginx)));

  const store::Catalog::Count count = TRY(state_.catalog().count(environment_.clock.now()));
  summary_.certificates = count.certificates;
  summary_.next_renewal = count.next_renewal;
  summary_.next_looks_are_noted = plan.doubt.empty();
  summary_.next_look = plan.doubt.empty() ? count.next_look : plan.next;
  return std::move(summary_);
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

// What somebody has put an older catalog back for is not ordered again.
Result<> RenewJob::catch_up_all(Certificates& certificates) {
  for (store::CertificateRecord& each : certificates)
    if (const auto caught_up = catch_up(environment_, state_, each); !caught_up)
      environment_.reporter.note(fmt::format("{}: {}", each.name, caught_up.error().message));
    else if (*caught_up)
      environment_.reporter.note(fmt::format(
          "{}: version {} is live, which the catalog did not know: an older catalog was put back; "
          "`everseal repair` looks for all that it lacks",
          each.name, each.version));
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
  if (action.what != renew::Do::nothing) return;
  if (certificate.renew_at > now && options_.urgency == renew::Urgency::when_due) return;
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
  Result<> ready = issuer.open_account();
  if (ready && std::ranges::any_of(wanted, [](const Wanted& each) {
        return each.certificate.method == store::Method::nginx;
      }))
    ready = answer_for(environment_, state_, issuer.thumbprint());
  if (!ready) return fail_all(std::move(wanted), ready.error());
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
  TRY(activation.switch_links());
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
  TRY(within("the nginx configuration as it stands", server.instance().test()));
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
    summary_.failed.push_back({failed.certificate.name, std::move(failed.error)});
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

// That the catalog is whole and knows all that is live; once a day.
Result<> check_catalog(State& state) {
  TRY(state.catalog().check());
  std::set<std::string> known;
  for (const store::CertificateRecord& each : TRY(state.catalog().certificates()))
    known.insert(each.name);
  for (const std::string& name : TRY(state.certificates().live_names()))
    if (!known.contains(name))
      return base::invalid(fmt::format("it does not know {}, which is in live/; {}",
                                       base::printable(name), store::kRemedy));
  return {};
}

// What belongs to a run beside what is due: proof of what is served, once a day, and that it ran.
Result<> finish_run(const Environment& environment, State& state, Result<RenewSummary>& summary) {
  const Time now = environment.clock.now();
  TRY(note_run(state, summary, now));
  if (!stop_requested && TRY(next_check(state, now)) <= now) {
    if (auto whole = check_catalog(state); !whole && summary)
      summary->left_undone.push_back({"catalog", std::move(whole).error()});
    auto served = check_served(environment, state);
    if (!served) environment.reporter.failed("what nginx serves", served.error().message);
    if (summary && !served)
      summary->not_looked = std::move(served).error();
    else if (summary)
      summary->served = *std::move(served);
  }
  if (summary && summary->next_look)
    summary->next_look =
        std::min(*summary->next_look, std::max(TRY(next_check(state, now)), now + kSilence));
  return {};
}

// After the certificates: what fails here has kept none of them from being renewed.
Result<RenewSummary> renew_and_rotate(const Environment& environment, const RenewOptions& options,
                                      State& state) {
  RenewSummary summary = TRY(renew_certificates(environment, options, state));
  if (!is_for_all(options) || !summary.doubt.empty()) return summary;
  RotateSummary rotated = TRY(rotate_what_is_due(environment, state));
  if (const auto next = TRY(state.catalog().next_chore()))
    summary.next_look = std::min(summary.next_look.value_or(*next), *next);
  summary.rotated = std::move(rotated.rotated);
  std::ranges::move(rotated.failed, std::back_inserter(summary.left_undone));
  return summary;
}

}  // namespace

Result<RenewSummary> renew_certificates(const Environment& environment, const RenewOptions& options,
                                        State& state) {
  return RenewJob(environment, options, state).run();
}

Result<RenewSummary> renew(const Environment& environment, const RenewOptions& options) {
  if (!TRY(State::is_there(environment))) {
    TRY(check_not_deleted(environment));
    return RenewSummary{};
  }
  auto idle = TRY(State::open_if_idle(environment));
  if (!idle && options.urgency == renew::Urgency::when_due) {
    environment.reporter.note("Another everseal is at work: it renews what is due.");
    RenewSummary summary;
    summary.next_look = environment.clock.now() + std::chrono::minutes(1);
    return summary;
  }
  State state = idle ? *std::move(idle) : TRY(State::open(environment));
  TRY(take_back_what_was_left(environment, state));
  auto summary = renew_and_rotate(environment, options, state);
  if (is_for_all(options)) {
    if (const auto finished = finish_run(environment, state, summary); !finished)
      environment.reporter.failed("what nginx serves", finished.error().message);
    if (const auto told = tell_of_renewal(environment, state, summary); !told)
      environment.reporter.failed("telling the administrator", told.error().message);
  }
  return summary;
}

}  // namespace everseal::jobs
