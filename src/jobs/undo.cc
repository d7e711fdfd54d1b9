#include "jobs/undo.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>

#include "base/diff.h"
#include "deploy/proof.h"
#include "jobs/named.h"
#include "jobs/own_files.h"
#include "jobs/server.h"
#include "jobs/unfinished.h"
#include "nginx/snippets.h"

namespace everseal::jobs {
namespace {

// What an earlier run left half done goes before everything else: nothing can be changed until
// then.
Result<std::optional<store::ChangeRecord>> find_change(State& state,
                                                       std::optional<std::int64_t> id) {
  if (auto unfinished = TRY(state.catalog().last_change(store::ChangeState::applying))) {
    if (!id || *id == unfinished->id) return unfinished;
    return base::rejected(fmt::format(
        "change {} was left unfinished: everseal undo without a number takes it back; then run "
        "again",
        unfinished->id));
  }
  if (!id) return state.catalog().last_change(store::ChangeState::applied);
  auto change = TRY(state.catalog().change(*id));
  if (!change) return base::invalid(fmt::format("there is no change {}", *id));
  if (change->state != store::ChangeState::applied)
    return base::invalid(
        fmt::format("change {} does not stand: it was {} before", *id, to_string(change->state)));
  return change;
}

std::string preview(const store::ChangeRecord& change, const deploy::Return& way) {
  const bool is_unfinished = change.state == store::ChangeState::applying;
  std::string text =
      fmt::format("Change {} of {}{}: {}\n", change.id, base::to_rfc3339(change.at),
                  is_unfinished ? ", which an earlier run left unfinished" : "", change.summary);
  for (const deploy::ChangedFile& file : way.files)
    text += base::unified_diff(file.path, file.before, file.after);
  for (const deploy::StillNamed& each : way.kept)
    text += fmt::format("{} stays: {} includes it\n", each.path, each.by);
  if (is_unfinished)
    for (const std::string& each : way.conflicts) text += fmt::format("Left as it is: {}\n", each);
  for (const std::string& each : way.refused) text += fmt::format("Left as it is: {}\n", each);
  return text;
}

bool was_made_by(const store::ChangeRecord& change, const std::string& path) {
  return std::ranges::any_of(change.files, [&](const deploy::ChangedFile& file) {
    return file.path == path && !file.before && file.after;
  });
}

// Files of ours that a change made which was undone before, that stayed because somebody included
// them, and that nobody includes any more once `way` is gone: they go with it.
Result<> add_what_nobody_needs(const Environment& environment, State& state, const Server& server,
                               deploy::Return& way) {
  if (!base::exists(environment.files, server.own_directory())) return {};
  std::map<std::string, std::string> texts;
  for (const deploy::ChangedFile& file : way.files)
    if (file.after) texts[file.path] = *file.after;
  const nginx::Model now = TRY(server.model()), after = TRY(server.model_with(std::move(texts)));
  const auto changes = TRY(state.catalog().changes());
  for (const std::string& name : TRY(environment.files.list(server.own_directory()))) {
    const std::string path = base::join_path(server.own_directory(), name);
    const bool is_known =
        std::ranges::find(way.files, path, &deploy::ChangedFile::path) != way.files.end() ||
        std::ranges::find(way.kept, path, &deploy::StillNamed::path) != way.kept.end();
    const bool was_left = std::ranges::any_of(changes, [&](const store::ChangeRecord& each) {
      return each.state == store::ChangeState::undone && was_made_by(each, path);
    });
    if (is_known || !was_left) continue;
    if (!nginx::named_by(now.config(), environment.files, path) ||
        nginx::named_by(after.config(), environment.files, path))
      continue;
    const std::string text = TRY(environment.files.read(path));
    if (nginx::is_untouched(text)) way.files.push_back({path, text, std::nullopt});
  }
  return {};
}

// A person decides about a change that was left unfinished: what nobody has changed since goes
// back.
Result<deploy::Return> plan_way_back(const Environment& environment, State& state,
                                     const Server& server, const deploy::Context& context,
                                     const store::ChangeRecord& change) {
  deploy::Return way = TRY(deploy::plan_return(context, change));
  if (!way.conflicts.empty() && change.state != store::ChangeState::applying)
    return base::rejected(way.conflicts.front());
  TRY(add_what_nobody_needs(environment, state, server, way));
  return way;
}

// That the change is undone, and that its undoing stands, is one truth.
Result<> record(State& state, const store::ChangeRecord& change, deploy::Deployment& deployment,
                const nginx::Model& model) {
  using store::ChangeState;
  auto transaction = TRY(state.catalog().begin());
  const bool is_unfinished = change.state == ChangeState::applying;
  TRY(state.catalog().set_change_state(
      change.id, is_unfinished ? ChangeState::restored : ChangeState::undone));
  TRY(deployment.commit(ChangeState::undone));
  TRY(note_what_nginx_serves(state, model));
  if (is_unfinished) TRY(give_up_unfinished(state, change.sites));
  return transaction.commit();
}

}  // namespace

Result<UndoSummary> undo(const Environment& environment, std::optional<std::int64_t> id) {
  if (!TRY(State::open_to_read(environment))) return UndoSummary{};
  const Server server = TRY(Server::find(environment));
  State state = TRY(State::open(environment));
  TRY(write_own_files_anew(environment, state, server));
  TRY(server.check_may_edit());
  const deploy::Context context = server.deployment(state);
  if (const auto recovered = deploy::recover(context); !recovered)
    environment.reporter.note(recovered.error().message);
  else if (!recovered->empty())
    environment.reporter.note(*recovered);

  const auto change = TRY(find_change(state, id));
  if (!change) {
    if (TRY(state.catalog().changes()).empty()) TRY(check_history_is_known(environment));
    return UndoSummary{};
  }
  const bool is_running = TRY(server.instance().is_running());
  deploy::Return way = TRY(plan_way_back(environment, state, server, context, *change));
  environment.reporter.show(preview(*change, way));
  if (!environment.settings.assume_yes && !environment.reporter.confirm("Take it back?"))
    return base::rejected("nothing was changed: there was no yes");

  deploy::Deployment deployment(context, fmt::format("undo of change {}", change->id),
                                change->sites);
  TRY(deployment.put(way.files));
  if (is_running)
    TRY(deploy::reload(server.instance(), deploy::kPatience));
  else
    environment.reporter.note("nginx is not running: nothing was reloaded");
  TRY(record(state, *change, deployment, TRY(server.model())));
  UndoSummary summary{change->id, {}, std::move(way.kept), std::move(way.conflicts)};
  std::ranges::move(way.refused, std::back_inserter(summary.left));
  for (const deploy::ChangedFile& file : way.files) summary.files.push_back(file.path);
  return summary;
}

}  // namespace everseal::jobs
