#include "jobs/secure.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "jobs/activation.h"
#include "jobs/haproxy.h"
#include "jobs/hooks.h"
#include "jobs/own_files.h"
#include "jobs/port_holder.h"
#include "jobs/preview.h"
#include "jobs/rights.h"
#include "jobs/server.h"
#include "jobs/site_plan.h"
#include "nginx/verify.h"

namespace everseal::jobs {
namespace {

// Stands in the preview for what is known once the account key is made.
constexpr std::string_view kNoThumbprint = "ACCOUNT_THUMBPRINT";

bool has(const std::vector<std::string>& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

// One run of the job.
class SecureJob {
 public:
  SecureJob(const Environment& environment, const SecureOptions& options)
      : environment_(environment), options_(options), reporter_(environment.reporter) {}

  Result<SecureReport> run();

 private:
  Result<> open_state();
  Result<> look();
  Result<std::string> thumbprint();
  Result<nginx::EditPlan> plan_edits(nginx::SiteMode mode, const std::string& thumbprint);
  Result<std::map<std::string, bool>> responders();
  Result<> show_plan();
  bool nothing_to_do() const;

  std::vector<nginx::Note> blocked_by_others(const nginx::EditPlan& plan);
  std::vector<nginx::Note> blocked_by_mounts(const nginx::EditPlan& plan);
  void choose_methods(const nginx::EditPlan& plan);
  Result<> open_challenges(Issuer& issuer);
  Result<> issue();
  Result<> install();
  Result<> record();
  Result<> hand_over();
  Result<std::vector<deploy::Disproof>> serve(const std::string& thumbprint);
  Result<std::vector<deploy::Disproof>> prove(const nginx::EditPlan& plan, nginx::SiteMode mode,
                                              const std::string& thumbprint);
  Result<> put(const nginx::EditPlan& plan);

  SitePlan* find(const std::string& site);
  SitePlan* find_certificate(const std::string& name);
  std::vector<SitePlan> plans_of(const std::string& certificate);
  void end(const SitePlan& plan, SiteOutcome outcome, std::string why);
  void fail(const SitePlan& plan, const std::string& why);
  void give_up(const nginx::Site& site, std::string_view why);
  void fail_disproven(const std::vector<deploy::Disproof>& disproofs);
  SecureReport report(SiteOutcome done);
  std::string fingerprint(const SitePlan& site) const;

  const Environment& environment_;
  const SecureOptions& options_;
  Reporter& reporter_;

  std::optional<State> state_;
  std::optional<Server> server_;
  std::optional<nginx::Model> model_;  // of the configuration as it was found
  nginx::Sites found_;
  std::vector<nginx::Site> sites_;  // those chosen
  std::vector<SitePlan> plans_;     // those that are still to be secured
  std::vector<SiteReport> ended_;   // those that are not, and why
  std::set<std::string> blocked_;   // sites that something outside of nginx keeps from it
  std::vector<nginx::Note> notes_;
  std::string diff_;
  std::optional<deploy::Context> context_;
  std::optional<deploy::Deployment> deployment_;
  std::optional<Activation> activation_;
};

Result<SecureReport> SecureJob::run() {
  TRY(open_state());
  TRY(look());
  TRY(show_plan());
  if (options_.dry_run) return report(SiteOutcome::planned);
  if (nothing_to_do()) {
    TRY(hand_over());
    return report(SiteOutcome::unchanged);
  }
  if (!environment_.settings.assume_yes && !reporter_.confirm("Go ahead?"))
    return base::rejected("nothing was changed: there was no yes");

  std::vector<std::string> sites;
  for (const SitePlan& plan : plans_)
    if (!has(sites, plan.site->name)) sites.push_back(plan.site->name);
  std::string summary = fmt::format(
      "secure {}", sites.size() == 1 ? sites.front() : fmt::format("{} sites", sites.size()));
  deployment_.emplace(*context_, summary, std::move(sites));
  Result<> done = issue();
  if (done) done = install();
  if (!done) {
    if (activation_) activation_->give_up_all(done.error().message);
    if (const auto restored = deployment_->restore(); !restored)
      reporter_.failed("nginx", restored.error().message);
    return std::unexpected(std::move(done).error().within(summary));
  }
  TRY(hand_over());
  return report(SiteOutcome::secured);
}

// A dry run makes nothing: without a state directory it goes on without one.
Result<> SecureJob::open_state() {
  server_.emplace(TRY(Server::find(environment_)));
  if (options_.dry_run) {
    if (auto there = TRY(State::open_to_read(environment_))) state_.emplace(*std::move(there));
    return {};
  }
  if (TRY(State::is_there(environment_))) {
    state_.emplace(TRY(State::open(environment_)));
    TRY(write_own_files_anew(environment_, *state_, *server_));
  }
  static_cast<void>(TRY(server_->instance().master()));
  TRY(server_->check_may_edit());
  if (!state_) state_.emplace(TRY(State::open(environment_)));
  context_.emplace(server_->deployment(*state_));
  if (const std::string recovered = TRY(deploy::recover(*context_)); !recovered.empty())
    reporter_.note(recovered);
  return {};
}

Result<> SecureJob::look() {
  TRY(server_->test_as_it_stands());
  model_.emplace(TRY(server_->model()));
  found_ = nginx::find_sites(*model_);
  sites_ = TRY(select_sites(*model_, found_, options_.names));
  State* const state = state_ ? &*state_ : nullptr;
  const Wish wish = options_.force ? Wish::new_certificates : Wish::what_is_needed;
  plans_ = TRY(plan_sites(environment_, state, sites_, wish));
  return {};
}

Result<std::string> SecureJob::thumbprint() {
  if (!state_) return std::string(kNoThumbprint);
  const std::string& server = environment_.settings.server;
  const auto account = TRY(state_->catalog().account(server));
  if (account && !account->thumbprint.empty()) return account->thumbprint;
  if (options_.dry_run ||
      !store::AccountKeys(environment_.files, environment_.settings.state).open(server))
    return std::string(kNoThumbprint);
  Issuer issuer(environment_, *state_, server);
  TRY(issuer.open_key());
  return issuer.thumbprint();
}

Result<nginx::EditPlan> SecureJob::plan_edits(nginx::SiteMode mode, const std::string& thumbprint) {
  std::vector<nginx::SiteRequest> requests;
  for (const SitePlan& plan : plans_) {
    if (plan.need == Need::nothing || blocked_.contains(plan.site->name)) continue;
    if (mode == nginx::SiteMode::challenge && plan.need != Need::issue) continue;
    const bool is_second = !requests.empty() && requests.back().site == plan.site;
    nginx::SiteRequest& request = is_second ? requests.back() : requests.emplace_back();
    request.site = plan.site;
    request.mode = mode;
    request.bundles.push_back(
        {fmt::format("{}/live/{}/bundle.pem", environment_.settings.state, plan.certificate.name),
         family_of(plan.certificate) == crypto::KeyFamily::rsa ? nginx::KeyFamily::rsa
                                                               : nginx::KeyFamily::ecdsa});
    request.redirect = environment_.settings.redirect;
    request.hsts = environment_.settings.hsts;
    request.replace_existing = true;
    request.validate = plan.need == Need::issue || (is_second && request.validate);
  }
  nginx::EditOptions options = server_->edit_options(thumbprint);
  if (mode == nginx::SiteMode::challenge) options.harden = false;
  if (mode == nginx::SiteMode::tls) options.responders = TRY(responders());
  const FileReader& files = deployment_ ? deployment_->originals() : environment_.files;
  return nginx::plan_tls(*model_, requests, options, files);
}

// Of every certificate that nginx serves or will serve, where a setting of it asks for that.
Result<std::map<std::string, bool>> SecureJob::responders() {
  std::map<std::string, bool> known;
  const auto matters = [&](const nginx::Server& server) {
    return !model_->effective(server, "ssl_stapling").empty() ||
           !model_->effective(server, "resolver").empty();
  };
  if (std::ranges::none_of(model_->servers(), matters)) return known;
  std::map<std::string, std::string> chains;  // by the path that nginx is given
  for (const nginx::Server& server : model_->servers())
    for (const nginx::CertificatePair& pair : nginx::certificate_pairs(*model_, server))
      if (!pair.is_variable()) chains.emplace(pair.certificate, pair.certificate);
  for (const SitePlan& plan : plans_) {
    const std::string live =
        fmt::format("{}/live/{}/", environment_.settings.state, plan.certificate.name);
    chains.insert_or_assign(live + "bundle.pem", live + "fullchain.pem");  // without the key
  }
  for (const auto& [path, chain] : chains) {
    const auto pem = environment_.files.read(chain);
    if (!pem) continue;
    crypto::Verifier* const verifier = TRY(environment_.workers.verifier());
    if (const auto leaf = verifier->inspect(*pem)) known.emplace(path, leaf->has_ocsp_responder);
  }
  return known;
}

Result<> SecureJob::show_plan() {
  const std::string print = TRY(thumbprint());
  nginx::EditPlan plan = TRY(plan_edits(nginx::SiteMode::tls, print));
  std::vector<nginx::Note> blocked = blocked_by_others(plan);
  std::ranges::move(blocked_by_mounts(plan), std::back_inserter(blocked));
  if (!blocked.empty()) {
    plan = TRY(plan_edits(nginx::SiteMode::tls, print));
    std::ranges::move(blocked, std::back_inserter(plan.refusals));
  }
  for (const nginx::FileEdit& edit : plan.edits)
    if (edit.before) TRY(check_may_replace(edit.path));
  choose_methods(plan);
  diff_ = diff_of(plan);
  notes_ = plan.notes;
  reporter_.show(preview(plans_, found_, plan, environment_.settings.server,
                         environment_.workers.users_to_make()));

  // Of somebody else's certificate nothing more is to be done, of refused sites nothing can be.
  for (const SitePlan& site : std::vector<SitePlan>(plans_)) {
    if (site.need != Need::nothing) continue;
    end(site, SiteOutcome::kept, site.why);
  }
  for (const nginx::Note& refusal : plan.refusals)
    if (const SitePlan* site = find(refusal.site))
      fail(*site, fmt::format("{}: {}", refusal.where, refusal.text));
  return {};
}

bool SecureJob::nothing_to_do() const {
  return diff_.empty() &&
         std::ranges::all_of(plans_, [](const SitePlan& plan) { return plan.need == Need::serve; });
}

// The sites that a server of our own would have to answer for, where a program holds port 80.
std::vector<nginx::Note> SecureJob::blocked_by_others(const nginx::EditPlan& plan) {
  std::vector<nginx::Note> blocked;
  const auto holder = plan.no_http.empty() ? std::nullopt : port_holder(environment_.files, 80);
  if (!holder) return blocked;
  for (const SitePlan& site : plans_) {
    if (site.need != Need::issue || !has(plan.no_http, site.site->name)) continue;
    if (!blocked_.insert(site.site->name).second) continue;
    blocked.push_back(
        {site.site->name, site.site->where,
         fmt::format(
             "port 80, where the CA asks, is held by {} and not by nginx: end it, or let it "
             "serve a directory and use `everseal issue -d {}:DIRECTORY`",
             *holder, site.site->name)});
  }
  return blocked;
}

// The sites with a server in a file that cannot be replaced.
std::vector<nginx::Note> SecureJob::blocked_by_mounts(const nginx::EditPlan& plan) {
  std::vector<nginx::Note> blocked;
  for (const nginx::FileEdit& edit : plan.edits) {
    const Result<> may = edit.before ? check_may_replace(edit.path) : Result<>();
    if (may) continue;
    for (const SitePlan& site : plans_)
      for (const nginx::Server* server : site.site->servers)
        if (server->directive->file->real_path == edit.path &&
            blocked_.insert(site.site->name).second)
          blocked.push_back({site.site->name, server->where(), may.error().message});
  }
  return blocked;
}

// By nginx where it can answer, else by a server of our own: nothing holds port 80 then.
void SecureJob::choose_methods(const nginx::EditPlan& plan) {
  for (SitePlan& site : plans_) {
    if (site.need != Need::issue) continue;
    site.certificate.method =
        has(plan.no_http, site.site->name) ? store::Method::standalone : store::Method::nginx;
  }
}

// Makes nginx answer http-01 for all sites that need a certificate: one edit, one reload.
Result<> SecureJob::open_challenges(Issuer& issuer) {
  const std::string& print = issuer.thumbprint();
  const nginx::EditPlan plan = TRY(plan_edits(nginx::SiteMode::challenge, print));
  TRY(put(plan));
  deploy::NewWorkers workers;
  if (!plan.edits.empty()) workers = TRY(deploy::reload(server_->instance(), deploy::kPatience));
  const auto disproofs = TRY(prove(plan, nginx::SiteMode::challenge, print));
  if (!disproofs.empty()) TRY(deploy::check_alive(server_->instance(), workers));
  fail_disproven(disproofs);
  return {};
}

Result<> SecureJob::issue() {
  if (std::ranges::none_of(plans_, [](const SitePlan& plan) { return plan.need == Need::issue; }))
    return {};
  Issuer issuer(environment_, *state_, environment_.settings.server);
  TRY(issuer.open_account());
  TRY(open_challenges(issuer));
  issuer.on_new_key([&] { return open_challenges(issuer); });
  std::vector<store::CertificateRecord> wanted;
  for (const SitePlan& plan : plans_)
    if (plan.need == Need::issue) wanted.push_back(plan.certificate);
  TRY(state_->take_up(wanted));
  const IssueReport report = TRY(issuer.issue(all_names(std::move(wanted))));
  if (stop_requested)
    return base::transient("stopped by a signal; what was issued is kept for the next run");
  for (const Issued& issued : report.issued)
    if (SitePlan* site = find_certificate(issued.certificate.name))
      site->certificate = issued.certificate;
  for (const NotIssued& failed : report.failed)
    if (const SitePlan* site = find_certificate(failed.certificate.name))
      end(*site, SiteOutcome::failed, failed.error.message);
  return {};
}

SitePlan* SecureJob::find(const std::string& site) {
  const auto plan =
      std::ranges::find_if(plans_, [&](const SitePlan& each) { return each.site->name == site; });
  return plan == plans_.end() ? nullptr : &*plan;
}

SitePlan* SecureJob::find_certificate(const std::string& name) {
  const auto plan = std::ranges::find_if(
      plans_, [&](const SitePlan& each) { return each.certificate.name == name; });
  return plan == plans_.end() ? nullptr : &*plan;
}

// By a certificate's name; all, one for each site, if it is empty.
std::vector<SitePlan> SecureJob::plans_of(const std::string& certificate) {
  std::vector<SitePlan> found;
  for (const SitePlan& each : plans_)
    if (certificate.empty() ? &each == find(each.site->name) : each.certificate.name == certificate)
      found.push_back(each);
  return found;
}

// Leaves a site out of all that follows.
void SecureJob::end(const SitePlan& plan, SiteOutcome outcome, std::string why) {
  const nginx::Site& site = *plan.site;
  ended_.push_back({site.name, site.names, outcome, std::move(why), {}});
  std::erase_if(plans_, [&](const SitePlan& each) { return each.site == &site; });
}

void SecureJob::fail(const SitePlan& plan, const std::string& why) {
  reporter_.failed(plan.site->name, why);
  end(plan, SiteOutcome::failed, why);
}

void SecureJob::give_up(const nginx::Site& site, std::string_view why) {
  if (!activation_) return;
  for (const SitePlan& plan : plans_)
    if (plan.site == &site) activation_->give_up(plan.certificate.name, why);
}

// Fails the sites of which something expected was not seen.
void SecureJob::fail_disproven(const std::vector<deploy::Disproof>& disproofs) {
  for (const deploy::Disproof& disproof : disproofs)
    for (SitePlan& plan : plans_)
      if (std::ranges::find(plan.site->names, disproof.name) != plan.site->names.end()) {
        give_up(*plan.site, disproof.error.message);
        fail(plan, disproof.error.message);
        break;
      }
}

std::string SecureJob::fingerprint(const SitePlan& site) const {
  for (const Issued& issued : activation_->versions())
    if (issued.certificate.name == site.certificate.name) return issued.version.fingerprint;
  return site.certificate.fingerprint;
}

Result<> SecureJob::put(const nginx::EditPlan& plan) {
  TRY(nginx::verify_edit(*model_, TRY(server_->model_with(nginx::texts_after(plan))), sites_));
  std::vector<deploy::ChangedFile> files;
  for (const nginx::FileEdit& edit : plan.edits)
    files.push_back({edit.path, edit.before, edit.after});
  return deployment_->put(files);
}

// Looks at the running nginx as a visitor and as the CA do.
Result<std::vector<deploy::Disproof>> SecureJob::prove(const nginx::EditPlan& plan,
                                                       nginx::SiteMode mode,
                                                       const std::string& thumbprint) {
  const nginx::Model after = TRY(server_->model_with(nginx::texts_after(plan)));
  std::vector<deploy::Expectation> expectations;
  for (const SitePlan& site : plans_) {
    if (mode == nginx::SiteMode::tls)
      expect(expectations, after, *site.site, site.certificate, fingerprint(site));
    else if (site.need != Need::issue)
      continue;
    if (site.certificate.method != store::Method::nginx) continue;
    std::ranges::move(answers_of(after, *site.site, thumbprint), std::back_inserter(expectations));
  }
  return jobs::prove(environment_, after, expectations);
}

Result<std::vector<deploy::Disproof>> SecureJob::serve(const std::string& thumbprint) {
  const nginx::EditPlan plan = TRY(plan_edits(nginx::SiteMode::tls, thumbprint));
  TRY(put(plan));
  const auto workers = TRY(deploy::reload(server_->instance(), deploy::kPatience));
  auto disproofs = TRY(prove(plan, nginx::SiteMode::tls, thumbprint));
  TRY(deploy::check_alive(server_->instance(), workers));
  note_leftover(environment_, workers);
  return disproofs;
}

// The certificates into nginx: one reload for all; again without the sites that were not proven.
Result<> SecureJob::install() {
  std::vector<Issued> versions;
  for (const SitePlan& plan : plans_)
    if (auto ready =
            TRY(state_->catalog().version(plan.certificate.id, store::VersionState::ready)))
      versions.push_back({plan.certificate, *ready});
  activation_.emplace(environment_, *state_, std::move(versions));
  for (const NotSwitched& failed : activation_->switch_links())
    if (const SitePlan* plan = find_certificate(failed.certificate.name))
      end(*plan, SiteOutcome::failed, failed.error.message);
  const std::string print = TRY(thumbprint());
  auto disproofs = TRY(serve(print));
  if (!disproofs.empty()) {
    fail_disproven(disproofs);
    disproofs = TRY(serve(print));
    if (!disproofs.empty()) return std::unexpected(std::move(disproofs.front().error));
  }
  TRY(record());
  for (const SitePlan& plan : plans_)
    reporter_.done(plan.certificate.name, "on HTTPS, proven by handshake");
  return {};
}

// That the certificates are live and the change to nginx stands is one truth.
Result<> SecureJob::record() {
  const nginx::Model model = TRY(server_->model());
  auto transaction = TRY(state_->catalog().begin());
  TRY(activation_->record(Served::by_nginx));
  TRY(deployment_->commit());
  TRY(note_what_nginx_serves(*state_, model));
  TRY(transaction.commit());
  activation_->forget_old_versions();
  return {};
}

// What nginx serves stays, whatever becomes of it in HAProxy and elsewhere.
Result<> SecureJob::hand_over() {
  for (const NotServed& failed : TRY(put_into_haproxy(environment_, *state_)).failed)
    if (const SitePlan* site = find_certificate(failed.certificate.name))
      end(*site, SiteOutcome::failed, failed.error.message);
  for (const HookFailure& failed : TRY(run_hooks(environment_, *state_)))
    for (const SitePlan& site : plans_of(failed.certificate))
      end(site, SiteOutcome::failed, fmt::format("{}: {}", failed.what, failed.error.message));
  return {};
}

// In the order of the configuration.
SecureReport SecureJob::report(SiteOutcome done) {
  SecureReport report{{}, found_.skipped, notes_, diff_};
  for (const nginx::Site& site : sites_) {
    const auto ended = std::ranges::find(ended_, site.name, &SiteReport::name);
    if (ended != ended_.end()) {
      report.sites.push_back(*ended);
    } else if (const SitePlan* plan = find(site.name)) {
      std::optional<Time> expires;
      if (plan->certificate.version > 0) expires = plan->certificate.not_after;
      report.sites.push_back({site.name, site.names, done, plan->why, expires});
    }
  }
  return report;
}

}  // namespace

std::string_view to_string(SiteOutcome outcome) {
  constexpr std::array<std::string_view, 5> kWords = {"planned", "secured", "unchanged", "kept",
                                                      "failed"};
  return kWords[static_cast<std::size_t>(outcome)];
}

Result<SecureReport> secure(const Environment& environment, const SecureOptions& options) {
  return SecureJob(environment, options).run();
}

}  // namespace everseal::jobs
