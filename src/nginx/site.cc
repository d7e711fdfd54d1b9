#include "nginx/site.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <numeric>

#include "base/domain_name.h"

namespace everseal::nginx {
namespace {

// Top-level names that no public CA issues for (RFC 6761, RFC 6762, RFC 7686, ICANN's .internal).
// .test and .example stay: they are what private CAs and tests use.
constexpr std::array<std::string_view, 9> kPrivateSuffixes = {
    ".local", ".localhost", ".internal", ".invalid",  ".onion",
    ".lan",   ".intranet",  ".corp",     ".home.arpa"};

// Either a name that can be issued or the reason why not.
struct Judgement {
  std::string name;
  std::string reason;
};

bool is_ipv4(std::string_view text) {
  return text.contains('.') && text.find_first_not_of("0123456789.") == text.npos;
}

bool has_high_bytes(std::string_view text) {
  return std::ranges::any_of(text, [](char c) { return (c & 0x80) != 0; });
}

std::string special_reason(std::string_view name) {
  if (name.empty()) return "the empty name stands for requests without a Host";
  if (name == "_") return "\"_\" is a name that no client asks for";
  if (name.starts_with('$')) return "nginx puts the machine's own name here; write it out";
  if (name == "localhost") return "it names only this machine";
  if (name.starts_with('[') || name.contains(':') || is_ipv4(name)) {
    return "an IP address is not a domain name";
  }
  if (name.contains('*')) return "a wildcard certificate needs a DNS challenge (RFC 8555 §8.4)";
  for (std::string_view suffix : kPrivateSuffixes) {
    if (name.ends_with(suffix)) return fmt::format("no public CA issues for {}", suffix);
  }
  if (!name.contains('.')) return "a name of one label cannot be reached from the Internet";
  return {};
}

Judgement judge(const ServerName& server_name) {
  const std::string& name = server_name.name;
  using Kind = ServerName::Kind;
  if (server_name.kind == Kind::regex) return {{}, "a regular expression is not a name"};
  if (server_name.kind == Kind::trailing_wildcard) {
    return {{}, "no certificate covers a name without its end"};
  }
  if (server_name.kind == Kind::leading_wildcard) return {{}, special_reason("*." + name)};
  if (std::string reason = special_reason(name); !reason.empty()) return {{}, reason};
  auto parsed = base::parse_domain_name(name);
  if (!parsed) return {{}, parsed.error().message};
  if (has_high_bytes(name)) {
    return {
        {},
        fmt::format("nginx compares bytes and clients send \"{}\": write that beside it", *parsed)};
  }
  return {*parsed, {}};
}

// The server that has taken `name` on every socket of `server`, or null if `server` answers it.
const Server* taken_by(const Model& model, const Server& server, const std::string& name) {
  const Server* owner = nullptr;
  for (const Listen& listen : server.listens) {
    owner = model.server_for(*model.socket(listen.address()), name);
    if (owner == &server) return nullptr;
  }
  return owner;
}

// Sorts names into those to issue and those to skip.
class NameSorter {
 public:
  NameSorter(const Model& model, std::vector<SkippedName>& skipped)
      : model_(model), skipped_(skipped) {}

  std::vector<std::string> issuable(const Server& server) {
    std::vector<std::string> names;
    for (const ServerName& name : server.names) {
      Judgement judgement = judge(name);
      if (!judgement.reason.empty()) {
        skip(written(name), judgement.reason, name, server);
        continue;
      }
      if (name.kind == ServerName::Kind::leading_dot) {
        skip("*" + written(name), special_reason("*" + written(name)), name, server);
      }
      if (const Server* owner = taken_by(model_, server, judgement.name)) {
        skip(written(name),
             fmt::format("conflicting server name: {} already answers it", owner->where()), name,
             server);
        continue;
      }
      if (std::ranges::find(names, judgement.name) == names.end()) names.push_back(judgement.name);
    }
    return names;
  }

 private:
  void skip(std::string name, std::string reason, const ServerName& at, const Server& server) {
    const Directive& directive = at.directive != nullptr ? *at.directive : *server.directive;
    skipped_.push_back(
        {std::move(name), std::move(reason), directive.file->path, directive.statement->line});
  }

  const Model& model_;
  std::vector<SkippedName>& skipped_;
};

// Servers joined by names: each server's group is named by its first server.
class Groups {
 public:
  explicit Groups(std::size_t count) : parent_(count) {
    std::iota(parent_.begin(), parent_.end(), 0);
  }
  std::size_t find(std::size_t i) {
    while (parent_[i] != i) i = parent_[i] = parent_[parent_[i]];
    return i;
  }
  void join(std::size_t a, std::size_t b) {
    auto [first, second] = std::minmax({find(a), find(b)});
    parent_[second] = first;
  }

 private:
  std::vector<std::size_t> parent_;
};

bool same_pair(const CertificatePair& a, const CertificatePair& b) {
  return a.certificate_directive == b.certificate_directive && a.key_directive == b.key_directive;
}

// Whether nobody ever gets an answer of the server: no name of it needs a certificate.
bool is_closed(const Model& model, const Server& server) {
  return model.rejects_handshakes(server) &&
         std::ranges::all_of(server.listens, [&](const Listen& listen) {
           return model.socket(listen.address())->is_tls();
         });
}

void add_server(const Model& model, const Server& server, const std::vector<std::string>& names,
                Site& site) {
  for (const std::string& name : names) {
    if (std::ranges::find(site.names, name) == site.names.end()) site.names.push_back(name);
  }
  site.servers.push_back(&server);
  if (!model.has_tls(server)) return;
  site.has_tls = true;
  for (const CertificatePair& pair : certificate_pairs(model, server)) {
    auto same = [&](const CertificatePair& other) { return same_pair(pair, other); };
    if (std::ranges::none_of(site.pairs, same)) site.pairs.push_back(pair);
  }
}

}  // namespace

std::vector<CertificatePair> certificate_pairs(const Model& model, const Server& server) {
  auto resolve = [&](std::string_view path) {
    return path.contains('$') ? std::string(path) : model.config().resolve(path);
  };
  auto certificates = model.effective(server, "ssl_certificate");
  auto keys = model.effective(server, "ssl_certificate_key");
  std::vector<CertificatePair> pairs;
  for (std::size_t i = 0; i < certificates.size(); ++i) {
    CertificatePair pair{.certificate = resolve(certificates[i]->argument(1)),
                         .key = {},
                         .certificate_directive = certificates[i]};
    if (i < keys.size()) {
      pair.key = resolve(keys[i]->argument(1));
      pair.key_directive = keys[i];
    }
    pairs.push_back(std::move(pair));
  }
  return pairs;
}

Sites find_sites(const Model& model) {
  Sites found;
  NameSorter sorter(model, found.skipped);
  const auto& servers = model.servers();
  std::vector<std::vector<std::string>> names;
  Groups groups(servers.size());
  std::map<std::string, std::size_t> first_with;
  for (std::size_t i = 0; i < servers.size(); ++i) {
    names.push_back(is_closed(model, servers[i]) ? std::vector<std::string>()
                                                 : sorter.issuable(servers[i]));
    for (const std::string& name : names[i]) {
      groups.join(i, first_with.try_emplace(name, i).first->second);
    }
  }
  std::map<std::size_t, std::size_t> site_of_group;
  for (std::size_t i = 0; i < servers.size(); ++i) {
    if (names[i].empty()) continue;
    auto [at, added] = site_of_group.try_emplace(groups.find(i), found.sites.size());
    if (added) {
      found.sites.push_back({.name = names[i].front(), .where = servers[i].where()});
    }
    add_server(model, servers[i], names[i], found.sites[at->second]);
  }
  return found;
}

}  // namespace everseal::nginx
