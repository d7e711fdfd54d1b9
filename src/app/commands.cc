#include "app/commands.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "app/ca_command.h"
#include "app/dhparam_command.h"
#include "app/nginx_commands.h"
#include "app/output.h"
#include "app/sandbox_command.h"
#include "app/state_commands.h"
#include "app/status_command.h"
#include "app/streams.h"
#include "base/diff.h"
#include "base/encoding.h"
#include "jobs/named.h"
#include "jobs/telling.h"
#include "jobs/undo.h"
#include "jobs/words.h"

namespace everseal::app {
namespace {

int exit_status(std::size_t good, std::size_t failed) {
  return failed == 0 ? kDone : good == 0 ? kFailed : kPartly;
}

Json to_json(const jobs::SiteReport& site) {
  return {{"name", site.name},
          {"names", site.names},
          {"outcome", to_string(site.outcome)},
          {"detail", site.detail},
          {"expires", site.expires ? Json(base::to_rfc3339(*site.expires)) : Json(nullptr)}};
}

Result<Output> execute(const jobs::SecureOptions& options, const jobs::Environment& environment) {
  const jobs::SecureReport report = TRY(jobs::secure(environment, options));
  Output output;
  output.document = {{"dry_run", options.dry_run},
                     {"sites", Json::array()},
                     {"skipped", Json::array()},
                     {"notes", Json::array()},
                     {"diff", report.diff}};
  std::size_t failed = 0, changed = 0;
  for (const jobs::SiteReport& site : report.sites) {
    output.document["sites"].push_back(to_json(site));
    failed += site.outcome == jobs::SiteOutcome::failed;
    changed += site.outcome == jobs::SiteOutcome::secured;
  }
  for (const nginx::SkippedName& skipped : report.skipped)
    output.document["skipped"].push_back({{"name", base::printable(skipped.name)},
                                          {"reason", skipped.reason},
                                          {"file", skipped.file},
                                          {"line", skipped.line}});
  for (const nginx::Note& note : report.notes)
    output.document["notes"].push_back(
        {{"site", note.site}, {"where", note.where}, {"text", note.text}});
  output.exit_status = exit_status(report.sites.size() - failed, failed);
  if (options.dry_run)
    output.text = "Nothing was changed and the CA was asked nothing: this was a dry run.\n";
  else if (changed == 0 && failed == 0)
    output.text = "Nothing to do: every site is as it should be.\n";
  else
    output.text =
        fmt::format("{} of {} sites secured.{}\n", changed, changed + failed,
                    changed > 0 ? " `everseal undo` takes the change to nginx back." : "");
  return output;
}

Result<Output> execute(const jobs::IssueOptions& options, const jobs::Environment& environment) {
  const jobs::IssueSummary summary = TRY(jobs::issue(environment, options));
  Output output;
  Json certificates = Json::array();
  const auto add = [&](const store::CertificateRecord& certificate, const char* outcome,
                       const std::string& detail) {
    const std::string directory =
        fmt::format("{}/live/{}", environment.settings.state, certificate.name);
    certificates.push_back({{"name", certificate.name},
                            {"names", certificate.names},
                            {"outcome", outcome},
                            {"detail", detail},
                            {"directory", directory},
                            {"expires", time_or_null(certificate.not_after)}});
    if (*outcome != 'f')
      output.text += fmt::format("{}  {}, valid until {}\n", directory, outcome,
                                 base::to_rfc3339(certificate.not_after));
  };
  for (const auto& certificate : summary.issued) add(certificate, "issued", "");
  for (const auto& certificate : summary.unchanged) add(certificate, "unchanged", "not due");
  for (const auto& failed : summary.failed) add(failed.certificate, "failed", failed.error.message);
  output.exit_status =
      exit_status(summary.issued.size() + summary.unchanged.size(), summary.failed.size());
  output.document = {{"certificates", std::move(certificates)}};
  return output;
}

Json to_json(const std::vector<jobs::RenewalFailure>& failures) {
  Json failed = Json::array();
  for (const jobs::RenewalFailure& failure : failures)
    failed.push_back({{"name", failure.name},
                      {"kind", to_string(failure.error.kind)},
                      {"message", failure.error.message}});
  return failed;
}

Result<Output> execute(const jobs::RotateOptions& options, const jobs::Environment& environment) {
  const jobs::RotateSummary summary = TRY(jobs::rotate(environment, options));
  Output output;
  output.document = {{"rotated", summary.rotated},
                     {"unchanged", summary.unchanged},
                     {"failed", to_json(summary.failed)}};
  output.exit_status = exit_status(summary.rotated.size(), summary.failed.size());
  for (const std::string& each : summary.rotated) output.text += fmt::format("New: {}\n", each);
  for (const std::string& each : summary.unchanged)
    output.text += fmt::format("Unchanged: {}\n", each);
  if (output.text.empty() && summary.failed.empty()) output.text = "Nothing to do.\n";
  return output;
}

std::string nothing_to_do(const jobs::RenewSummary& summary) {
  const std::string next = summary.next_renewal
                               ? " The next is on " + base::to_rfc3339(*summary.next_renewal) + "."
                               : "";
  const std::string all =
      jobs::count_of(static_cast<std::uint64_t>(summary.certificates), "certificate");
  if (summary.waiting > 0)
    return fmt::format("Nothing to do yet: {} of {} {} to be tried again.{}\n", summary.waiting,
                       all, summary.waiting == 1 ? "waits" : "wait", next);
  return fmt::format("Nothing to do: none of {} is due.{}\n", all, next);
}

std::string what_became_of(const jobs::RenewSummary& summary) {
  std::string text;
  for (const std::string& name : summary.planned)
    text += fmt::format("{}: would be renewed\n", name);
  if (!summary.unfinished.empty())
    return text + fmt::format(
                      "Not finished: everseal secure ended before nginx had {} ({}). Run it "
                      "again: everseal secure {}\n",
                      jobs::count_of(summary.unfinished.size(), "certificate"),
                      jobs::some_of(summary.unfinished), fmt::join(summary.unfinished, " "));
  const bool is_quiet = summary.renewed.empty() && summary.planned.empty() &&
                        summary.in_haproxy.empty() && summary.failed.empty() &&
                        summary.rotated.empty() && summary.left_undone.empty();
  return is_quiet && !summary.others_work ? nothing_to_do(summary) : text;
}

Result<Output> execute(const jobs::RenewOptions& options, const jobs::Environment& environment) {
  jobs::RenewSummary summary = TRY(jobs::renew(environment, options));
  std::ranges::move(summary.failed_steps, std::back_inserter(summary.left_undone));
  if (summary.not_looked)
    summary.left_undone.push_back({"what nginx serves", *std::move(summary.not_looked)});
  Output output;
  output.document = {
      {"dry_run", options.dry_run},
      {"renewed", summary.renewed},
      {"planned", summary.planned},
      {"in_haproxy", summary.in_haproxy},
      {"unfinished", summary.unfinished},
      {"rotated", summary.rotated},
      {"failed", to_json(summary.failed)},
      {"left_undone", to_json(summary.left_undone)},
      {"certificates", summary.others_work ? Json(nullptr) : Json(summary.certificates)},
      {"next_renewal", time_or_null(summary.next_renewal.value_or(Time{}))}};
  output.exit_status =
      exit_status(summary.renewed.size() + summary.in_haproxy.size() + summary.rotated.size(),
                  summary.failed.size() + summary.left_undone.size());
  output.text = what_became_of(summary);
  return output;
}

Result<Output> execute(const UndoCommand& command, const jobs::Environment& environment) {
  const jobs::UndoSummary summary = TRY(jobs::undo(environment, command.change));
  Output output;
  Json kept = Json::array();
  for (const deploy::StillNamed& each : summary.kept)
    kept.push_back({{"file", each.path}, {"by", each.by}});
  output.document = {{"change", summary.change ? Json(*summary.change) : Json(nullptr)},
                     {"files", summary.files},
                     {"kept", std::move(kept)},
                     {"left", summary.left}};
  output.text = summary.change
                    ? fmt::format("Change {} was taken back: {} files are as they were.\n",
                                  *summary.change, summary.files.size())
                    : "Nothing to undo.\n";
  for (const deploy::StillNamed& each : summary.kept)
    output.text += fmt::format("{} stays: {} includes it.\n", each.path, each.by);
  for (const std::string& each : summary.left)
    output.text += fmt::format("Left as it is: {}\n", each);
  return output;
}

Json to_json(const store::ChangeRecord& change, const std::string& diff) {
  Json files = Json::array();
  for (const store::ChangedFile& file : change.files)
    if (std::ranges::find(files, Json(file.path)) == files.end()) files.push_back(file.path);
  return {{"id", change.id},
          {"at", base::to_rfc3339(change.at)},
          {"state", to_string(change.state)},
          {"summary", change.summary},
          {"sites", change.sites},
          {"files", std::move(files)},
          {"diff", diff}};
}

Result<Output> execute(const ChangesCommand& command, const jobs::Environment& environment) {
  auto state = TRY(jobs::State::open_to_read(environment));
  std::vector<store::ChangeRecord> changes;
  if (state) changes = TRY(state->catalog().changes());
  if (changes.empty()) TRY(jobs::check_history_is_known(environment));
  if (command.change) {
    std::erase_if(changes, [&](const auto& change) { return change.id != *command.change; });
    if (changes.empty())
      return base::not_found(fmt::format("there is no change {}", *command.change));
  }
  Output output;
  output.document = {{"changes", Json::array()}};
  for (const store::ChangeRecord& change : changes) {
    std::string diff;
    for (const store::ChangedFile& file : change.files)
      diff += base::unified_diff(file.path, file.before, file.after);
    output.document["changes"].push_back(to_json(change, diff));
    output.text += fmt::format(
        "Change {}, {}, {}: {}\n{}{}\n", change.id, base::to_rfc3339(change.at),
        to_string(change.state), change.summary,
        change.sites.size() < 2 ? "" : fmt::format("Sites: {}\n", fmt::join(change.sites, ", ")),
        diff);
  }
  if (changes.empty()) output.text = "nginx was not changed yet.\n";
  return output;
}

Result<Output> execute(const jobs::SetupOptions& options, const jobs::Environment& environment) {
  const jobs::SetupSummary summary = TRY(jobs::setup(environment, options));
  Output output;
  output.document = {{"dry_run", options.dry_run},
                     {"user", summary.user},
                     {"steps", summary.steps},
                     {"take_back", summary.take_back}};
  if (summary.steps.empty())
    output.text = fmt::format("Nothing to do: user {} can run everseal.\n", summary.user);
  else if (options.dry_run)
    output.text = "Nothing was changed: this was a dry run.\n";
  else
    output.text = fmt::format("Done. Now, for example: sudo -u {} everseal status\n", summary.user);
  return output;
}

Result<Output> execute(const SandboxCommand&, const jobs::Environment&) { return show_sandbox(); }

Result<Output> execute(const NotifyTestCommand&, const jobs::Environment& environment) {
  Output output;
  Json ways = Json::array();
  std::size_t failed = 0;
  for (const notify::Told& told : TRY(jobs::notify_test(environment))) {
    const std::string message = told.result ? "" : told.result.error().message;
    ways.push_back({{"way", told.way}, {"sent", told.result.has_value()}, {"message", message}});
    if (told.result) {
      output.text += fmt::format("Sent: {}\n", told.way);
    } else {
      output.complaints.push_back(fmt::format("everseal: {}: {}", told.way, message));
      ++failed;
    }
  }
  output.exit_status = exit_status(ways.size() - failed, failed);
  output.document = {{"ways", std::move(ways)}};
  return output;
}

// main() runs it.
Result<Output> execute(const DaemonCommand&, const jobs::Environment&) { return Output{}; }

const char* name_of(const Command& command) {
  constexpr const char* kNames[] = {
      "secure",  "issue",       "renew",     "status",      "undo",   "changes",     "setup",
      "sandbox", "nginx parse", "nginx cat", "nginx sites", "ca",     "notify test", "dhparam",
      "daemon",  "rotate",      "repair",    "backup",      "restore"};
  return kNames[command.index()];
}

void print(const Json& document) {
  say_as_is(stdout, document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

}  // namespace

int run(const CommandLine& line, jobs::Environment& environment) {
  Result<Output> output =
      std::visit([&](const auto& command) { return execute(command, environment); }, line.command);
  Json document = {{"version", 1}, {"command", name_of(line.command)}};
  if (!output) {
    document["error"] = {{"kind", to_string(output.error().kind)},
                         {"message", output.error().message}};
    if (line.json) print(document);
    say(stderr, fmt::format("everseal: {}\n", output.error().message));
    return kFailed;
  }
  for (const std::string& complaint : output->complaints) say(stderr, complaint + "\n");
  const bool has_document = !output->document.empty();
  for (auto& [key, value] : output->document.items()) document[key] = std::move(value);
  if (output->bytes && !(line.json && has_document))
    say_as_is(stdout, *output->bytes);
  else if (line.json)
    print(document);
  else if (!line.quiet)
    say(stdout, output->text);
  return output->exit_status;
}

}  // namespace everseal::app
