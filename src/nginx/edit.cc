#include "nginx/edit.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "nginx/challenge_edit.h"
#include "nginx/placement.h"
#include "nginx/policy.h"
#include "nginx/site_edit.h"
#include "nginx/snippets.h"
#include "nginx/untouchable.h"

namespace everseal::nginx {
namespace {

// Drafts of blocks become the edits of their files.
void collect_edits(const Model& model, const Drafts& drafts, EditPlan& plan) {
  std::map<const ConfigFile*, std::vector<Patch>> patches;
  for (const auto& [block, draft] : drafts)
    std::ranges::move(draft.patches(), std::back_inserter(patches[block->file]));
  for (const auto& file : model.config().files()) {
    const auto found = patches.find(file.get());
    if (found == patches.end() || found->second.empty()) continue;
    const std::string& text = file->document.text();
    plan.edits.push_back({file->real_path, text, nginx::apply(text, found->second)});
  }
}

// Puts all edits together.
class Planner {
 public:
  Planner(const Model& model, std::span<const SiteRequest> requests, const EditOptions& options,
          const FileReader& files)
      : model_(model), requests_(requests), options_(options), files_(files) {}

  Result<EditPlan> plan();

 private:
  bool may_be_validated(const SiteRequest& request, const ChallengeServers& found);
  void say_missing_families();
  void add_site(const SiteRequest& request);
  void add_challenges(const Site& site);
  void pin_defaults();
  void include_in_http(const std::string& path);
  Result<> put_shared(const std::string& path, const std::string& text, std::string_view lack);
  Result<> harden();
  void remove(const Directive& line);
  Result<> catch_all();
  Result<std::optional<std::string>> read_snippet(const std::string& path) const;
  Result<> put_snippet(const std::string& path, const std::string& text);

  BlockDraft& draft(const Directive& block) {
    return drafts_.try_emplace(&block, block).first->second;
  }

  const Model& model_;
  const std::span<const SiteRequest> requests_;
  const EditOptions& options_;
  const FileReader& files_;
  EditPlan plan_;
  Drafts drafts_;
  std::set<const Server*> split_;
  std::set<const Socket*> pinned_;
  NewSockets opened_;
  std::map<std::string_view, std::vector<const Site*>> one_family_;  // sites that lack it
  bool acme_ = false;                                                // acme.conf is needed
  bool tls_ = false;                                                 // some site is put on TLS
};

// The CA must be able to ask: what stands in the way is said before it is asked.
bool Planner::may_be_validated(const SiteRequest& request, const ChallengeServers& found) {
  const Site& site = *request.site;
  auto& notes = request.validate ? plan_.refusals : plan_.notes;
  for (const Unanswered& name : found.unanswered)
    notes.push_back({site.name, name.where, name.why});
  if (found.no_http) plan_.no_http.push_back(site.name);
  if (!request.validate) return true;
  if (!found.unanswered.empty()) return false;
  if (!found.no_http && !found.ipv4) one_family_["IPv4"].push_back(&site);
  if (!found.no_http && !found.ipv6) one_family_["IPv6"].push_back(&site);
  return true;
}

void Planner::say_missing_families() {
  for (const auto& [family, sites] : one_family_) {
    const bool is_ipv6 = family == "IPv6";
    plan_.notes.push_back(
        {sites.size() == 1 ? sites.front()->name : "", sites.front()->where,
         fmt::format("port 80 is not open over {} for {}{}: where the DNS has an {} record, the CA "
                     "may ask there and find nobody. Add \"listen {};\" beside the listen on port "
                     "80, or take the record out",
                     family, sites.front()->name,
                     sites.size() == 1 ? "" : fmt::format(" and {} more", sites.size() - 1),
                     is_ipv6 ? "AAAA" : "A", is_ipv6 ? "[::]:80" : "80")});
  }
}

void Planner::add_site(const SiteRequest& request) {
  if (!may_be_validated(request, challenge_servers(model_, *request.site))) return;
  SiteEdit edit(model_, request, options_, files_);
  if (request.mode == SiteMode::tls) edit.decide();
  if (!edit.refusals.empty()) {
    std::ranges::move(edit.refusals, std::back_inserter(plan_.refusals));
    return;
  }
  std::ranges::move(edit.notes, std::back_inserter(plan_.notes));
  drafts_.merge(edit.drafts);
  split_.merge(edit.split);
  pinned_.merge(edit.pinned);
  for (const auto& [address, socket] : edit.opened) {
    const auto [known, added] = opened_.emplace(address, socket);
    if (!added) known->second.first = std::min(known->second.first, socket.first);
  }
  tls_ |= request.mode == SiteMode::tls;
}

void Planner::add_challenges(const Site& site) {
  if (plan_.refused(site)) return;
  for (const Server* server : challenge_servers(model_, site).servers) {
    acme_ = true;
    if (split_.contains(server) || includes_file(*server, acme_path(options_))) continue;
    if (std::string why = untouchable(model_, *server->directive); !why.empty()) {
      plan_.notes.push_back({site.name, server->where(), why});
      continue;
    }
    draft(*server->directive).add_leading("include " + as_word(acme_path(options_)) + ";");
  }
}

void Planner::pin_defaults() {
  for (const Socket* socket : pinned_) {
    const Server& server = *socket->default_server;
    for (const Listen& listen : server.listens) {
      if (listen.address() != socket->address || listen.default_server) continue;
      std::size_t end = listen.directive->statement->words.back().span.end;
      draft(*server.directive).replace({end, end}, " default_server");
    }
  }
}

// Puts the include of a file of ours into http{}, behind its own TLS settings or before its
// servers.
void Planner::include_in_http(const std::string& path) {
  const Statement* neighbour = nullptr;
  bool servers = false;  // begun, as far as one can see
  for (const Statement& child : model_.http().statement->children) {
    servers |= child.name() == "server" ||
               (child.name() == "include" && child.words.back().value.contains('*'));
    if (!servers || child.name().starts_with("ssl_")) neighbour = &child;
  }
  draft(model_.http()).add_after(neighbour, "include " + as_word(path) + ";");
}

// A file that http{} includes; where it must not be edited, what is lacking for that is said.
Result<> Planner::put_shared(const std::string& path, const std::string& text,
                             std::string_view lack) {
  const bool included = std::ranges::any_of(model_.config().files(),
                                            [&](const auto& file) { return file->path == path; });
  const std::string why = included ? "" : untouchable(model_, model_.http());
  if (!why.empty()) {
    plan_.notes.push_back({"", model_.http().where(), fmt::format("{}: {}", lack, why)});
    return {};
  }
  TRY(put_snippet(path, text));
  if (!included) include_in_http(path);
  return {};
}

// Writes tls.conf, or brings it up to date, and includes it in http{}.
Result<> Planner::harden() {
  const std::string path = tls_path(options_);
  const std::string stands = TRY(read_snippet(path)).value_or("");
  const Profile profile =
      options_.profile.value_or(profile_of(stands).value_or(Profile::intermediate));
  for (Finding& finding : compare_policy(model_, profile, options_, requests_)) {
    if (finding.dead && options_.remove_dead_lines) remove(*finding.dead);
    plan_.notes.push_back(std::move(finding.note));
  }
  const std::string policy = tls_snippet(model_, profile, options_);
  if (policy.empty()) return {};
  return put_shared(path, policy, "TLS was not hardened");
}

// Only from http{} and servers themselves: what they include may be for others, too.
void Planner::remove(const Directive& line) {
  const auto is_in = [&](const Directive& block) {
    return is_own(block, &line) && untouchable(model_, block).empty();
  };
  if (is_in(model_.http())) return draft(model_.http()).remove(*line.statement);
  for (const Server& server : model_.servers())
    if (is_in(*server.directive)) return draft(*server.directive).remove(*line.statement);
}

// Writes catch-all.conf, or says who answers unknown names on sockets that are new.
Result<> Planner::catch_all() {
  constexpr Version kFirst{1, 19, 4};
  if (options_.catch_all && options_.nginx >= kFirst) {
    const std::string text = catch_all_snippet(model_, opened_, options_);
    if (text.empty()) return {};
    return put_shared(catch_all_path(options_), text, "unknown names are not refused");
  }
  const std::string_view advice = options_.nginx < kFirst
                                      ? ""
                                      : "; --catch-all refuses them by \"listen 443 ssl "
                                        "default_server; ssl_reject_handshake on;\"";
  for (const auto& [address, socket] : opened_)
    plan_.notes.push_back({"", socket.first->where(),
                           fmt::format("as the first server on {} it will answer unknown names "
                                       "there too{}",
                                       address, advice)});
  if (options_.catch_all)
    plan_.notes.push_back({"", model_.http().where(),
                           "unknown names are not refused: ssl_reject_handshake needs nginx "
                           "1.19.4 or newer"});
  return {};
}

Result<std::optional<std::string>> Planner::read_snippet(const std::string& path) const {
  auto read = files_.read(path);
  if (read) return std::optional(*std::move(read));
  if (read.error().kind == ErrorKind::not_found) return std::nullopt;
  return std::unexpected(std::move(read).error());
}

Result<> Planner::put_snippet(const std::string& path, const std::string& text) {
  const std::optional<std::string> before = TRY(read_snippet(path));
  if (before == text) return {};
  if (before && !is_untouched(*before)) {
    plan_.notes.push_back({"", path,
                           "was changed by hand and is left alone; without it, it would "
                           "be written anew"});
    return {};
  }
  plan_.edits.push_back({files_.real_path(path).value_or(path), before, text});
  return {};
}

Result<EditPlan> Planner::plan() {
  for (const SiteRequest& request : requests_) add_site(request);
  for (const SiteRequest& request : requests_) add_challenges(*request.site);
  say_missing_families();
  pin_defaults();
  acme_ |= !split_.empty();
  if (acme_) TRY(put_snippet(acme_path(options_), acme_snippet(options_)));
  if (tls_ && options_.harden) TRY(harden());
  if (tls_) TRY(catch_all());
  collect_edits(model_, drafts_, plan_);
  return std::move(plan_);
}

}  // namespace

bool EditPlan::refused(const Site& site) const {
  return std::ranges::any_of(refusals, [&](const Note& note) { return note.site == site.name; });
}

Result<EditPlan> plan_tls(const Model& model, std::span<const SiteRequest> requests,
                          const EditOptions& options, const FileReader& files) {
  return Planner(model, requests, options, files).plan();
}

EditPlan plan_hsts_step(const Model& model, std::span<const Site> sites) {
  EditPlan plan;
  Drafts drafts;
  for (const Site& site : sites) {
    const HstsEdit edit{.draft = [&](const Directive& block) -> BlockDraft& {
                          return drafts.try_emplace(&block, block).first->second;
                        },
                        .note =
                            [&](const std::string& where, std::string text) {
                              plan.notes.push_back({site.name, where, std::move(text)});
                            }};
    for (const Server* server : site.servers)
      if (model.has_tls(*server) && has_hsts(model, *server) &&
          untouchable(model, *server->directive).empty())
        edit_hsts(model, *server, {.kind = HstsWish::Kind::ramp, .may_step = true}, nullptr, edit);
  }
  collect_edits(model, drafts, plan);
  return plan;
}

std::map<std::string, std::string> texts_after(const EditPlan& plan) {
  std::map<std::string, std::string> texts;
  for (const FileEdit& edit : plan.edits) texts.emplace(edit.path, edit.after);
  return texts;
}

}  // namespace everseal::nginx
