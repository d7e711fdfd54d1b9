#include "nginx/policy.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "nginx/snippets.h"

namespace everseal::nginx {
namespace {

constexpr Version kProtocolsByName{1, 29, 2};  // nginx changes: ssl_protocols of the SNI's server
constexpr Version kTicketKeysRotate{1, 23, 2};

using Words = std::set<std::string_view>;

Words arguments(const Directive& directive) {
  Words words;
  for (std::size_t i = 1; i <= directive.argument_count(); ++i) words.insert(directive.argument(i));
  return words;
}

Words words_of(std::string_view text) {
  Words words;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    if (end > 0) words.insert(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

Words without(const Words& from, const Words& what) {
  Words rest;
  std::ranges::set_difference(from, what, std::inserter(rest, rest.end()));
  return rest;
}

// Whether a list for OpenSSL may hold ciphers with finite-field Diffie-Hellman (ciphers(1)): all
// but the names of single ciphers without it are taken for groups that do.
bool may_use_dhe(std::string_view ciphers) {
  while (!ciphers.empty()) {
    const std::size_t end = std::min(ciphers.find(':'), ciphers.size());
    const std::string_view each = ciphers.substr(0, end);
    ciphers.remove_prefix(std::min(end + 1, ciphers.size()));
    const bool is_harmless = each.empty() || each.starts_with('!') || each.starts_with('-') ||
                             each.starts_with('@') || each.starts_with("ECDHE-") ||
                             each.starts_with("TLS_") || each.starts_with("AES128-") ||
                             each.starts_with("AES256-");
    if (!is_harmless) return true;
  }
  return false;
}

class Comparison {
 public:
  Comparison(const Model& model, Profile profile, const EditOptions& options,
             std::span<const SiteRequest> requests)
      : model_(model), profile_(profile), options_(options), requests_(requests) {
    for (Setting& setting : settings_of(profile, options.nginx, options.openssl))
      wanted_.emplace(setting.name, std::move(setting.value));
  }

  std::vector<Finding> run() {
    compare(nullptr);
    if (const Directive* protocols = own(nullptr, "ssl_protocols")) judge_protocols(*protocols);
    for (const Socket& socket : model_.sockets()) {
      if (!socket.is_tls()) continue;
      for (const Server* server : socket.servers) {
        visit(*server);
        compare_protocols(socket, *server);
      }
    }
    for (const SiteRequest& request : requests_)
      if (request.mode == SiteMode::tls)
        for (const Server* server : request.site->servers) visit(*server);
    if (seen_servers_.empty()) judge_lines(nullptr);
    report_dead_lines();
    for (const Directive* directive : idle_) {
      if (effective_somewhere_.contains(directive)) continue;
      const Socket& socket = *idle_at_.at(directive);
      note(*directive,
           fmt::format("has no effect: before nginx 1.29.2 the protocols of {} are those of its "
                       "default server ({}); set them there or in http{{}}",
                       socket.address, socket.default_server->where()));
    }
    return std::move(findings_);
  }

 private:
  // The last of a name is in force, for a server or (null) for http{}; null if it is not set, or by
  // us.
  const Directive* own(const Server* server, std::string_view name) const {
    const auto found = server ? model_.effective(*server, name) : children(model_.http(), name);
    if (found.empty() || found.back()->file->path == tls_path(options_)) return nullptr;
    return found.back();
  }

  bool is_on(const Server* server, std::string_view name) const {
    const Directive* directive = own(server, name);
    return directive != nullptr && directive->argument(1) == "on";
  }

  // Once for each line, however many servers it is for.
  void note(const Directive& directive, std::string text) {
    if (noted_.insert(directive.statement).second)
      findings_.push_back(
          {{"", directive.where(), fmt::format("{} {}", directive.name(), std::move(text))}});
  }

  void visit(const Server& server) {
    if (!seen_servers_.insert(&server).second) return;
    compare(&server);
    judge_lines(&server);
  }

  void compare(const Server* server) {
    if (const Directive* ssl = own(server, "ssl"))
      note(*ssl, "is unknown from nginx 1.25.1 on: take it out and write \"listen … ssl\"");
    if (const Directive* ciphers = own(server, "ssl_ciphers")) compare_ciphers(*ciphers);
    if (is_on(server, "ssl_early_data"))
      note(*own(server, "ssl_early_data"),
           "on is kept: whoever listens in can send a request a second time (RFC 8446 §8)");
    if (options_.nginx < kTicketKeysRotate && is_on(server, "ssl_session_tickets"))
      note(*own(server, "ssl_session_tickets"),
           "on is kept: before nginx 1.23.2 one key opens all sessions until the next restart");
  }

  void compare_ciphers(const Directive& own) {
    const auto wanted = wanted_.find("ssl_ciphers");
    if (wanted == wanted_.end() || own.argument(1) == wanted->second) return;
    note(own,
         fmt::format("is kept: your own choice, not that of the {} profile", to_string(profile_)));
  }

  // Which protocols are spoken is decided before the name is known, but by new versions.
  void compare_protocols(const Socket& socket, const Server& server) {
    const Directive* directive = own(&server, "ssl_protocols");
    if (directive == nullptr) return;
    if (options_.nginx < kProtocolsByName && &server != socket.default_server &&
        own(socket.default_server, "ssl_protocols") != directive) {
      if (idle_at_.emplace(directive, &socket).second) idle_.push_back(directive);
      return;
    }
    effective_somewhere_.insert(directive);
    judge_protocols(*directive);
  }

  void judge_protocols(const Directive& directive) {
    const Words stands = arguments(directive);
    const Words profile = words_of(wanted_.at("ssl_protocols"));
    if (const Words more = without(stands, profile); !more.empty())
      return note(
          directive,
          fmt::format("is kept, but offers {}, which the {} profile does not; to have that, "
                      "write \"ssl_protocols {};\"",
                      fmt::join(more, ", "), to_string(profile_), wanted_.at("ssl_protocols")));
    if (const Words less = without(profile, stands); !less.empty())
      note(directive, fmt::format("is kept: stricter than the {} profile, which offers {}, too",
                                  to_string(profile_), fmt::join(less, ", ")));
  }

  // What a server makes of a line; dead is one that no server uses.
  void judge(const Directive* line, bool used, std::string_view why) {
    if (line == nullptr) return;
    if (used) used_.insert(line->statement);
    dead_.emplace_back(line, why);
  }

  void judge_lines(const Server* server) {
    judge(own(server, "ssl_dhparam"), uses_dhe(server), "no cipher is left that uses it");
    judge(own(server, "ssl_trusted_certificate"), checks_others(server),
          "neither OCSP answers nor clients' certificates are checked");
    if (is_on(server, "ssl_stapling"))
      judge(own(server, "ssl_stapling"), staples(server),
            "the certificate names no OCSP responder");
    if (is_on(server, "ssl_stapling_verify"))
      judge(own(server, "ssl_stapling_verify"), staples(server), "no OCSP answer is stapled");
  }

  void report_dead_lines() {
    for (const auto& [line, why] : dead_) {
      if (used_.contains(line->statement) || !noted_.insert(line->statement).second) continue;
      const bool goes = options_.remove_dead_lines;
      findings_.push_back({{"", line->where(),
                            fmt::format("{} has no effect: {}{}", line->name(), why,
                                        goes ? "" : "; --remove-dead-lines takes it out")},
                           line});
    }
  }

  // Where it is not known what the certificate says, the administrator is.
  bool staples(const Server* server) const {
    if (!is_on(server, "ssl_stapling")) return false;
    return server == nullptr || has_responder(model_, *server, options_, requests_).value_or(true);
  }

  bool uses_dhe(const Server* server) const {
    const Directive* protocols = own(server, "ssl_protocols");
    const Words spoken = protocols ? arguments(*protocols) : words_of(wanted_.at("ssl_protocols"));
    if (spoken == Words{"TLSv1.3"}) return false;
    const Directive* ciphers = own(server, "ssl_ciphers");
    const auto wanted = wanted_.find("ssl_ciphers");
    if (ciphers != nullptr) return may_use_dhe(ciphers->argument(1));
    return wanted == wanted_.end() || may_use_dhe(wanted->second);
  }

  bool checks_others(const Server* server) const {
    const Directive* clients = own(server, "ssl_verify_client");
    return (staples(server) && is_on(server, "ssl_stapling_verify")) ||
           (clients && clients->argument(1) != "off") || own(server, "ssl_ocsp") != nullptr;
  }

  const Model& model_;
  const Profile profile_;
  const EditOptions& options_;
  const std::span<const SiteRequest> requests_;
  std::map<std::string_view, std::string> wanted_;
  std::set<const Server*> seen_servers_;
  std::set<const Statement*> noted_;
  std::set<const Directive*> effective_somewhere_;
  std::vector<const Directive*> idle_;  // ssl_protocols where nginx does not look
  std::map<const Directive*, const Socket*> idle_at_;
  std::vector<std::pair<const Directive*, std::string_view>> dead_;  // to some server, and why
  std::set<const Statement*> used_;                                  // by another
  std::vector<Finding> findings_;
};

}  // namespace

std::vector<Finding> compare_policy(const Model& model, Profile profile, const EditOptions& options,
                                    std::span<const SiteRequest> requests) {
  return Comparison(model, profile, options, requests).run();
}

std::optional<bool> has_responder(const Model& model, const Server& server,
                                  const EditOptions& options,
                                  std::span<const SiteRequest> requests) {
  std::vector<std::string> paths;
  for (const SiteRequest& request : requests)
    if (request.mode == SiteMode::tls &&
        std::ranges::find(request.site->servers, &server) != request.site->servers.end())
      for (const Bundle& bundle : request.bundles) paths.push_back(bundle.path);
  if (paths.empty())
    for (const CertificatePair& pair : certificate_pairs(model, server))
      paths.push_back(pair.certificate);
  if (paths.empty()) return std::nullopt;
  bool has = false;
  for (const std::string& path : paths) {
    const auto known = options.responders.find(path);
    if (known == options.responders.end()) return std::nullopt;
    has |= known->second;
  }
  return has;
}

}  // namespace everseal::nginx
