#include "nginx/site_edit.h"

#include <fmt/format.h>

#include <algorithm>

#include "nginx/certificate_edit.h"
#include "nginx/policy.h"
#include "nginx/redirect.h"
#include "nginx/snippets.h"
#include "nginx/twin.h"
#include "nginx/untouchable.h"

namespace everseal::nginx {
namespace {

bool is_plain_80(const Model& model, const Listen& listen) {
  return listen.port == "80" && !listen.host.starts_with("unix:") &&
         !model.socket(listen.address())->is_tls();
}

std::vector<const Listen*> plain_80(const Model& model, const Server& server) {
  std::vector<const Listen*> found;
  for (const Listen& listen : server.listens) {
    if (is_plain_80(model, listen)) found.push_back(&listen);
  }
  return found;
}

bool named(const Statement& statement, std::string_view name) { return statement.name() == name; }

const Statement* last_listen(const BlockDraft& draft) {
  const Statement* listen =
      draft.last_child([](const Statement& child) { return named(child, "listen"); });
  if (listen != nullptr) return listen;
  return draft.last_child([](const Statement& child) { return named(child, "server_name"); });
}

// Certificates go behind TLS settings, else behind the names.
const Statement* certificate_neighbour(const BlockDraft& draft) {
  const Statement* ssl =
      draft.last_child([](const Statement& child) { return child.name().starts_with("ssl_"); });
  if (ssl != nullptr) return ssl;
  const Statement* name =
      draft.last_child([](const Statement& child) { return named(child, "server_name"); });
  return name != nullptr ? name : last_listen(draft);
}

void add_pair(BlockDraft& draft, const std::string& bundle) {
  const Statement* neighbour = certificate_neighbour(draft);
  const Statement* like =
      neighbour != nullptr && neighbour->name().starts_with("ssl_") ? neighbour : nullptr;
  draft.add_after(neighbour, draft.line("ssl_certificate", as_word(bundle), like));
  draft.add_after(neighbour, draft.line("ssl_certificate_key", as_word(bundle), like));
}

// Whether nginx can be given this path as a word: "$" always starts a variable there, and a word of
// more than 4094 bytes is refused (ngx_conf_read_token).
bool can_be_written(const std::string& path) {
  return !path.contains('$') && path.size() < 4000 &&
         std::ranges::none_of(path, [](unsigned char c) { return c < ' '; });
}

}  // namespace

void SiteEdit::decide() {
  for (const Bundle& bundle : request_.bundles)
    if (!can_be_written(bundle.path))
      return refuse(site_.where,
                    fmt::format("nginx has no way to write this path, so no certificate can be "
                                "there: {}. Choose another state directory",
                                bundle.path));
  for (const Server* server : site_.servers) {
    if (!model_.has_tls(*server) && needs_tls(*server)) open_port(*server);
  }
  if (!refusals.empty()) return;
  for (const Server* server : site_.servers) {
    if (!model_.has_tls(*server) && !secured_.contains(server)) continue;
    if (wants_redirect(*server)) redirect(*server);
    if (!split.contains(server)) add_twins(*server);
    if (wants_certificate(*server))
      for (std::size_t i = 0; i < request_.bundles.size(); ++i) install_certificate(*server, i);
    staple(*server);
    set_hsts(*server);
  }
  for (const Socket* socket : pinned) pin_default(*socket);
  for (const auto& [block, edit] : drafts) {
    if (std::string why = untouchable(model_, *block); !why.empty()) refuse(block->where(), why);
  }
}

// Opens port 443 beside port 80 in the same block.
void SiteEdit::add_twins(const Server& server) {
  for (const Listen* listen : plain_80(model_, server)) {
    auto twin = twins_.find({&server, listen->directive});
    if (twin == twins_.end()) continue;
    BlockDraft& edit = draft(server);
    bool own = is_own(*server.directive, listen->directive);
    if (listen->directive == nullptr) edit.add_after(last_listen(edit), "listen 80;");
    edit.add_after(last_listen(edit),
                   edit.line("listen", twin->second, own ? listen->directive->statement : nullptr));
  }
}

// Names that the server answers in clear and no TLS server of the site has.
std::vector<std::string> SiteEdit::names_without_tls(const Server& server) const {
  auto has_tls = [&](const std::string& name) {
    return std::ranges::any_of(model_.sockets(), [&](const Socket& socket) {
      return socket.is_tls() && socket.exact_names.contains(name);
    });
  };
  std::vector<std::string> names;
  for (const ServerName& name : server.names) {
    if (std::ranges::find(site_.names, name.name) == site_.names.end()) continue;
    if (!has_tls(name.name)) names.push_back(name.name);
  }
  return names;
}

bool SiteEdit::needs_tls(const Server& server) {
  auto missing = names_without_tls(server);
  if (missing.empty()) return false;
  auto issuable = std::ranges::count_if(server.names, [&](const ServerName& name) {
    return std::ranges::find(site_.names, name.name) != site_.names.end();
  });
  if (missing.size() < static_cast<std::size_t>(issuable)) {
    note(server.where(),
         fmt::format("{} has no HTTPS: another server has that of the other names here; add it to "
                     "the server_name there",
                     fmt::join(missing, ", ")));
    return false;
  }
  if (plain_80(model_, server).empty()) {
    std::string text = fmt::format(
        "the server does not listen on port 80, so no port 443 is opened for it; add \"listen 443 "
        "ssl;\" to it by hand if {} should have HTTPS",
        fmt::join(missing, ", "));
    site_.has_tls ? note(server.where(), text) : refuse(server.where(), text);
    return false;
  }
  return true;
}

// Whether visitors reach this server by the name over TLS: "_", addresses and bytes that no client
// sends are asked for by nobody.
bool SiteEdit::is_asked_for(const Server& server, const ServerName& name) const {
  if (name.kind != ServerName::Kind::exact) return true;
  const auto is_letter = [](unsigned char c) { return c >= 'a' && c <= 'z'; };
  if (!name.name.contains('.') || std::ranges::none_of(name.name, is_letter)) return false;
  if (std::ranges::any_of(name.name, [](char c) { return (c & 0x80) != 0; })) return false;
  return std::ranges::any_of(server.listens, [&](const Listen& listen) {
    const Socket& socket = *model_.socket(listen.address());
    return socket.is_tls() && model_.server_for(socket, name.name) == &server;
  });
}

// A name that visitors may ask this server for and that the site's certificate does not cover, or
// null.
const ServerName* SiteEdit::first_uncovered(const Server& server) const {
  for (const ServerName& name : server.names) {
    const bool covered = name.kind == ServerName::Kind::exact &&
                         std::ranges::find(site_.names, name.name) != site_.names.end();
    if (!covered && is_asked_for(server, name)) return &name;
  }
  return nullptr;
}

// Decides the listens on port 443 of a plain server.
void SiteEdit::open_port(const Server& server) {
  if (sends_to_https(server) == SendsToHttps::to_itself) {
    const Directive* redirect = redirect_before_content(server);
    if (redirect == nullptr || !is_own(*server.directive, redirect)) {
      return refuse(
          server.where(),
          "the server sends everything to https, where no server answers these names: with TLS "
          "added to it visitors would go round in circles. Take the redirect out, or add the "
          "server it leads to: \"server { listen 443 ssl; server_name …; … }\"");
    }
    redirect_only_plain(server, *redirect);
  }
  secured_.insert(&server);
  for (const Listen* listen : plain_80(model_, server)) {
    if (std::string why = twin_refusal(model_, server, *listen, site_); !why.empty()) {
      return refuse(listen->directive ? listen->directive->where() : server.where(), why);
    }
    const Twin twin = twin_of(model_, *listen, options_);
    if (!twin.note.empty()) note(server.where(), twin.note);
    const std::string address = listen->host + ":443";
    const Socket* socket = model_.socket(address);
    if (socket == nullptr) {
      opened.emplace(address, NewSocket{&server, twin.http2, twin.proxy_protocol});
    } else if (&server < socket->default_server &&
               !(options_.catch_all && may_catch_all(*socket, options_))) {
      pinned.insert(socket);
    }
    twins_.emplace(std::pair(&server, listen->directive), twin.arguments);
  }
}

// A server that comes before the first on a socket would become its default: the one that is it now
// says so from here on, unless it does already.
void SiteEdit::pin_default(const Socket& socket) {
  const Server& server = *socket.default_server;
  for (const Listen& listen : server.listens) {
    if (listen.address() != socket.address) continue;
    if (listen.default_server) return;
    std::string why = untouchable(model_, *server.directive);
    if (why.empty() && !is_own(*server.directive, listen.directive)) {
      why = "other servers may share this line";
    }
    if (!why.empty()) {
      return refuse(listen.directive->where(),
                    fmt::format("{} must stay the default of {}, so this listen needs "
                                "\"default_server\", but {}",
                                server.where(), socket.address, why));
    }
    note(listen.directive->where(),
         fmt::format("\"default_server\" added: {} stays the default of {}", server.where(),
                     socket.address));
  }
}

// A TLS server that lacks a certificate gets it, one that has one only if that is asked for.
bool SiteEdit::wants_certificate(const Server& server) const {
  if (secured_.contains(&server) || request_.replace_existing)
    return !model_.rejects_handshakes(server);
  return certificate_pairs(model_, server).empty() && !model_.rejects_handshakes(server);
}

void SiteEdit::install_certificate(const Server& server, std::size_t which) {
  const std::string& path = request_.bundles[which].path;
  CertificateEdit edit = certificate_edit(model_, server, request_, which, files_);
  if (edit.action == CertificateEdit::Action::replace) {
    if (const ServerName* name = first_uncovered(server)) {
      return refuse(
          name->directive->where(),
          fmt::format("the certificate of this server may also stand for \"{}\", which the "
                      "new one will not cover: give that name a server of its own, or "
                      "replace the certificate by hand",
                      written(*name)));
    }
  }
  switch (edit.action) {
    case CertificateEdit::Action::nothing:
      return;
    case CertificateEdit::Action::add:
      return add_pair(draft(server), path);
    case CertificateEdit::Action::replace:
      for (Span span : edit.spans) draft(server).replace(span, as_word(path));
      return;
    case CertificateEdit::Action::refuse:
      return refuse(edit.where, edit.reason);
  }
}

// Asks the OCSP responder for visitors, where the certificate names one.
void SiteEdit::staple(const Server& server) {
  if (!has_responder(model_, server, options_, {&request_, 1}).value_or(false)) return;
  if (!model_.effective(server, "ssl_stapling").empty()) return;
  if (model_.effective(server, "resolver").empty())
    return note(server.where(),
                "the certificate names an OCSP responder; with \"resolver ADDRESS;\" nginx could "
                "ask it, and \"ssl_stapling on;\" would be added");
  BlockDraft& edit = draft(server);
  edit.add_after(certificate_neighbour(edit), "ssl_stapling on;");
}

void SiteEdit::set_hsts(const Server& server) {
  if (!request_.hsts) return;
  const HstsEdit edit{
      .draft = [this](const Directive& block) -> BlockDraft& { return draft(block); },
      .note = [this](const std::string& where, std::string text) { note(where, std::move(text)); }};
  edit_hsts(model_, server, *request_.hsts, certificate_neighbour(BlockDraft(*server.directive)),
            edit);
}

bool SiteEdit::wants_redirect(const Server& server) {
  if (request_.redirect == Redirect::off) return false;
  if (request_.redirect == Redirect::automatic && site_.has_tls) return false;
  if (sends_to_https(server) != SendsToHttps::no) return false;
  for (const ServerName& name : server.names) {
    if (name.kind == ServerName::Kind::exact) continue;
    note(server.where(),
         fmt::format("stays reachable without TLS: it also answers names like \"{}\", which the "
                     "certificate does not cover",
                     name.name));
    return false;
  }
  return true;
}

void SiteEdit::redirect(const Server& server) {
  auto plain = plain_80(model_, server);
  if (plain.empty()) return;
  bool movable = std::ranges::all_of(plain, [&](const Listen* listen) {
    return listen->directive == nullptr || is_own(*server.directive, listen->directive);
  });
  movable ? split_off(server, plain) : redirect_inside(server);
}

// Lets what comes behind a redirect of every request be served over TLS.
void SiteEdit::redirect_only_plain(const Server& server, const Directive& redirect) {
  const Span span = redirect.statement->span;
  draft(server).replace(
      span, fmt::format("if ($scheme = http) {{ {} }}", redirect.file->document.raw(span)));
  note(redirect.where(),
       "this redirect now holds for plain requests only: over TLS the rest of the server answers");
}

// Where port 80 cannot be taken out of the block, because another file holds the listen.
void SiteEdit::redirect_inside(const Server& server) {
  BlockDraft& edit = draft(server);
  edit.add_first(fmt::format("if ($scheme = http) {{ return {} https://$host$request_uri; }}",
                             options_.redirect_status));
}

// Moves port 80 to a server of its own, directly before this one: the order of servers stays.
void SiteEdit::split_off(const Server& server, const std::vector<const Listen*>& plain) {
  split.insert(&server);
  BlockDraft& edit = draft(server);
  const Document& document = server.directive->file->document;
  std::vector<std::string> lines = {"server {"};
  for (const Listen* listen : plain) {
    auto twin = twins_.find({&server, listen->directive});
    if (listen->directive == nullptr) {
      lines.push_back("\tlisten 80;");
      edit.add_after(last_listen(edit), edit.line("listen", twin->second));
      continue;
    }
    const Statement& statement = *listen->directive->statement;
    lines.push_back("\t" + std::string(document.raw(statement.span)));
    if (twin == twins_.end()) {
      edit.remove(statement);
    } else {
      Span arguments{statement.words[1].span.begin, statement.words.back().span.end};
      edit.replace(arguments, twin->second);
    }
  }
  std::string names;
  for (const Directive* directive : children(*server.directive, "server_name")) {
    for (std::size_t i = 1; i < directive->statement->words.size(); ++i) {
      names += " ";
      names += directive->file->document.raw(directive->statement->words[i].span);
    }
  }
  lines.push_back("\tserver_name" + names + ";");
  lines.push_back("\tinclude " + as_word(acme_path(options_)) + ";");
  lines.push_back("\tlocation / {");
  lines.push_back(
      fmt::format("\t\treturn {} https://$host$request_uri;", options_.redirect_status));
  lines.push_back("\t}");
  lines.push_back("}");
  edit.put_before(lines);
  const Statement* ours = edit.last_child([&](const Statement& child) {
    return named(child, "include") && child.words.size() == 2 &&
           child.words[1].value == acme_path(options_);
  });
  if (ours != nullptr) edit.remove(*ours);
  warn_about_locations(server);
}

void SiteEdit::warn_about_locations(const Server& server) {
  std::string paths;
  for (const Directive* location : children(*server.directive, "location")) {
    std::string_view path = location->argument(location->argument_count());
    if (location->argument_count() > 2 || location->argument(1).starts_with('~')) continue;
    if (path == "/" || path.starts_with("/.well-known/acme-challenge")) continue;
    paths += (paths.empty() ? "" : ", ") + std::string(path);
  }
  if (paths.empty()) return;
  note(server.where(), fmt::format("no longer served in clear, port 80 redirects: {}", paths));
}

}  // namespace everseal::nginx
