#include "jobs/undo.h"

#include <fmt/format.h>

#include "base/diff.h"
#include "deploy/proof.h"
#include "jobs/server.h"

namespace everseal::jobs {
namespace {

Result<std::optional<store::ChangeRecord>> find_change(State& state,
                                                       std::optional<std::int64_t> id) {
  if (!id) return state.catalog().last_change(store::ChangeState::applied);
  auto change = TRY(state.catalog().change(*id));
  if (!change) return base::invalid(fmt::format("there is no change {}", *id));
  if (change->state != store::ChangeState::applied)
    return base::invalid(
        fmt::format("change {} does not stand: it was {} before", *id, to_string(change->state)));
  return change;
}

std::string preview(const store::ChangeRecord& change,
                    const std::vector<deploy::ChangedFile>& files) {
  std::string text =
      fmt::format("Change {} of {}: {}\n", change.id, base::to_rfc3339(change.at), change.summary);
  for (const deploy::ChangedFile& file : files)
    text += base::unified_diff(file.path, file.before, file.after);
  return text;
}

}  // namespace

Result<UndoSummary> undo(const Environment& environment, std::optional<std::int64_t> id) {
  if (!TRY(State::open_to_read(environment))) return UndoSummary{};
  const Server server = TRY(Server::find(environment));
  TRY(server.check_may_edit());
  State state = TRY(State::open(environment));
  const deploy::Context context = server.deployment(state);
  if (const std::string recovered = TRY(deploy::recover(context)); !recovered.empty())
    environment.reporter.note(recovered);

  const auto change = TRY(find_change(state, id));
  if (!change) return UndoSummary{};
  const auto files = TRY(deploy::plan_undo(environment.files, *change));
  environment.reporter.show(preview(*change, files));
  if (!environment.settings.assume_yes && !environment.reporter.confirm("Take it back?"))
    return base::rejected("nothing was changed: there was no yes");

  deploy::Deployment deployment(context, fmt::format("undo of change {}", change->id),
                                change->sites);
  TRY(deployment.put(files));
  if (server.instance().master())
    TRY(deploy::reload(server.instance(), deploy::kPatience));
  else
    environment.reporter.note("nginx is not running: nothing was reloaded");
  TRY(state.catalog().set_change_state(change->id, store::ChangeState::undone));
  TRY(deployment.commit(store::ChangeState::undone));
  TRY(note_what_nginx_serves(state, TRY(server.model())));
  UndoSummary summary{change->id, {}};
  for (const deploy::ChangedFile& file : files) summary.files.push_back(file.path);
  return summary;
}

}  // namespace everseal::jobs
