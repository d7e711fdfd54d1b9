// The edit that puts one site on HTTPS.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "nginx/catch_all.h"
#include "nginx/edit.h"
#include "nginx/placement.h"

namespace everseal::nginx {

// New text for blocks.
using Drafts = std::map<const Directive*, BlockDraft>;

// The edit of one site, kept apart until it is known that nothing in it is refused.
class SiteEdit {
 public:
  SiteEdit(const Model& model, const SiteRequest& request, const EditOptions& options,
           const FileReader& files)
      : model_(model), request_(request), site_(*request.site), options_(options), files_(files) {}

  void decide();

  Drafts drafts;
  std::set<const Server*> split;   // their port 80 moves to a redirecting server
  std::set<const Socket*> pinned;  // their default server must not change
  NewSockets opened;               // with their first server here
  std::vector<Note> notes;
  std::vector<Note> refusals;

 private:
  void open_port(const Server& server);
  void pin_default(const Socket& socket);
  bool wants_certificate(const Server& server) const;
  void install_certificate(const Server& server, std::size_t which);
  void redirect(const Server& server);
  void staple(const Server& server);
  void set_hsts(const Server& server);
  std::vector<std::string> names_without_tls(const Server& server) const;
  bool needs_tls(const Server& server);
  bool is_asked_for(const Server& server, const ServerName& name) const;
  const ServerName* first_uncovered(const Server& server) const;
  void add_twins(const Server& server);
  void split_off(const Server& server, const std::vector<const Listen*>& plain);
  void redirect_inside(const Server& server);
  void redirect_only_plain(const Server& server, const Directive& redirect);
  void warn_about_locations(const Server& server);
  bool wants_redirect(const Server& server);

  BlockDraft& draft(const Directive& block) {
    return drafts.try_emplace(&block, block).first->second;
  }
  BlockDraft& draft(const Server& server) { return draft(*server.directive); }
  void note(std::string where, std::string text) {
    notes.push_back({site_.name, std::move(where), std::move(text)});
  }
  void refuse(std::string where, std::string text) {
    refusals.push_back({site_.name, std::move(where), std::move(text)});
  }

  const Model& model_;
  const SiteRequest& request_;
  const Site& site_;
  const EditOptions& options_;
  const FileReader& files_;
  std::set<const Server*> secured_;  // had no TLS before
  // Listen on port 80 → arguments of its TLS twin; the implied listen of a server is null.
  std::map<std::pair<const Server*, const Directive*>, std::string> twins_;
};

}  // namespace everseal::nginx
