#include "jobs/challenge_answer.h"

#include <fmt/format.h>

#include <unordered_set>

#include "jobs/activation.h"
#include "jobs/rights.h"
#include "nginx/snippets.h"

namespace everseal::jobs {
namespace {

// Our snippet as it is: an nginx that is not there has none.
struct Snippet {
  Server server;
  std::string path;
  std::string text;
};

Result<std::optional<Snippet>> find_snippet(const Environment& environment) {
  auto server = Server::find(environment);
  if (!server && server.error().kind == ErrorKind::not_found) return std::nullopt;
  if (!server) return std::unexpected(server.error());
  const std::string path = nginx::acme_path(server->edit_options(""));
  auto text = environment.files.read(path);
  if (!text && text.error().kind == ErrorKind::not_found) return std::nullopt;
  if (!text) return std::unexpected(text.error());
  return Snippet{*std::move(server), path, *std::move(text)};
}

// Of accounts of which none is answered for, as after an older backup was put back, that of the
// settings' CA is.
Result<bool> answers_for(const Snippet& snippet, const Environment& environment, State& state,
                         const std::string& server) {
  for (const store::AccountRecord& each : TRY(state.catalog().accounts()))
    if (!each.thumbprint.empty() && snippet.text.contains(each.thumbprint))
      return each.server == server;
  return server == environment.settings.server;
}

}  // namespace

Result<bool> must_answer_anew(const Environment& environment, State& state,
                              const std::string& server) {
  const auto snippet = TRY(find_snippet(environment));
  if (!snippet || !TRY(answers_for(*snippet, environment, state, server))) return false;
  if (!nginx::is_untouched(snippet->text))
    return base::rejected(fmt::format(
        "{} was changed by hand: the new key's answer could not be put there", snippet->path));
  TRY(snippet->server.test_as_it_stands());
  TRY(snippet->server.check_may_edit());
  TRY(within("nginx's answer to certificate authorities cannot be replaced, and nothing was begun",
             try_to_replace(snippet->path)));
  return true;
}

Result<> prove_answer(const Environment& environment, State& state, const std::string& thumbprint) {
  const auto snippet = TRY(find_snippet(environment));
  if (!snippet) return {};
  std::unordered_set<std::string> answered;
  for (const store::CertificateRecord& each : TRY(state.catalog().certificates()))
    if (each.method == store::Method::nginx && each.in_nginx)
      answered.insert(each.names.begin(), each.names.end());
  const nginx::Model model = TRY(snippet->server.model());
  std::vector<deploy::Expectation> expectations;
  for (const nginx::Site& site : nginx::find_sites(model).sites)
    for (const deploy::AnswersChallenge& each : answers_of(model, site, thumbprint))
      if (answered.contains(each.endpoint.name)) expectations.push_back(each);
  const auto disproofs = TRY(prove(environment, model, expectations));
  if (disproofs.empty()) return {};
  return base::rejected(fmt::format(
      "{}{}", disproofs.front().error.message,
      disproofs.size() == 1 ? "" : fmt::format(", and so {} others", disproofs.size() - 1)));
}

Result<> answer_for(const Environment& environment, State& state, const std::string& thumbprint) {
  const auto snippet = TRY(find_snippet(environment));
  if (!snippet) return {};
  const std::string wanted = nginx::acme_snippet(snippet->server.edit_options(thumbprint));
  if (snippet->text == wanted || snippet->text.contains(thumbprint)) return {};
  if (!nginx::is_untouched(snippet->text))
    return base::rejected(
        fmt::format("{} was changed by hand: put {} in it, the account key's "
                    "thumbprint",
                    snippet->path, thumbprint));
  TRY(snippet->server.change(state, "the answer to certificate authorities for the account's key",
                             {}, {{snippet->path, snippet->text, wanted}}));
  environment.reporter.note(
      fmt::format("nginx answers for the account's present key now ({})", snippet->path));
  return {};
}

}  // namespace everseal::jobs
