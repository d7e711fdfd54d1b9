#include "app/status_command.h"

#include <algorithm>

#include "app/status_printer.h"
#include "app/terminal.h"
#include "jobs/check.h"
#include "jobs/metrics.h"

namespace everseal::app {
namespace {

using jobs::CertificateStatus;

Json next_action(const CertificateStatus& status) {
  const char* what = status.next.what == renew::Do::install ? "install"
                     : status.next.at == Time::max()        ? "none"
                                                            : "order";
  return {{"what", what},
          {"at", status.next.at == Time::max() ? Json(nullptr) : time_or_null(status.next.at)},
          {"why", status.next.why}};
}

Json to_json(const store::ServedRecord& served) {
  return {{"sight", to_string(served.sight)},  {"checked_at", time_or_null(served.checked_at)},
          {"fingerprint", served.fingerprint}, {"expires", time_or_null(served.not_after)},
          {"places", served.places},           {"problem", served.problem}};
}

Json failing_names(const store::CertificateRecord& certificate) {
  Json names = Json::array();
  for (const store::FailingName& each : certificate.failing)
    names.push_back({{"name", each.name},
                     {"failures", each.failures},
                     {"since", time_or_null(each.first)},
                     {"words", each.words}});
  return names;
}

void add_details(Json& document, const CertificateStatus& status) {
  document["limits"] = Json::array();
  for (const renew::LimitLedger::Use& each : status.limits)
    document["limits"].push_back({{"what", each.what},
                                  {"order", each.order},
                                  {"of", each.of},
                                  {"seconds", each.span.count()}});
  document["history"] = Json::array();
  for (const store::EventRecord& each : status.history)
    document["history"].push_back(
        {{"at", time_or_null(each.at)}, {"kind", to_string(each.kind)}, {"text", each.text}});
}

Json to_json(const CertificateStatus& status, bool has_details) {
  const store::CertificateRecord& certificate = status.certificate;
  const auto& window = certificate.window;
  Json document = {{"name", certificate.name},
                   {"names", certificate.names},
                   {"server", certificate.server},
                   {"key_type", certificate.key_type},
                   {"method", to_string(certificate.method)},
                   {"version", certificate.version},
                   {"not_before", time_or_null(certificate.not_before)},
                   {"expires", time_or_null(certificate.not_after)},
                   {"next_renewal", time_or_null(certificate.renew_at)},
                   {"fingerprint", certificate.fingerprint},
                   {"in_nginx", certificate.in_nginx},
                   {"failures", certificate.failures},
                   {"last_error", certificate.last_error},
                   {"last_attempt", time_or_null(certificate.last_attempt)},
                   {"next_attempt", time_or_null(certificate.next_attempt)},
                   {"first_failure", time_or_null(certificate.first_failure)},
                   {"covered", certificate.covered},
                   {"failing_names", failing_names(certificate)},
                   {"next_action", next_action(status)},
                   {"window",
                    {{"start", time_or_null(window.start)},
                     {"end", time_or_null(window.end)},
                     {"explanation", window.explanation}}},
                   {"key_since", time_or_null(certificate.key_since)},
                   {"served_by", jobs::served_by(status)},
                   {"served", status.served ? to_json(*status.served) : Json(nullptr)},
                   {"level", to_string(status.level)},
                   {"concern", status.concern}};
  if (has_details) add_details(document, status);
  return document;
}

Json to_json(const store::IncidentRecord& incident) {
  return {{"key", incident.key},
          {"headline", incident.headline},
          {"since", time_or_null(incident.since)},
          {"told_at", time_or_null(incident.told_at)}};
}

Json to_json(const std::vector<jobs::MadeThing>& things, const char* of) {
  Json array = Json::array();
  for (const jobs::MadeThing& each : things)
    array.push_back({{of, each.of}, {"since", time_or_null(each.since)}});
  return array;
}

Json to_json(const jobs::StatusReport& report, bool has_details) {
  Json document = {{"certificates", Json::array()},
                   {"incidents", Json::array()},
                   {"last_run", time_or_null(report.last_run)},
                   {"last_check", time_or_null(report.last_check)},
                   {"hindrance", report.hindrance},
                   {"lost", Json::array()},
                   {"level", to_string(report.level)}};
  document["account_keys"] = to_json(report.account_keys, "server");
  document["dhparams"] = to_json(report.dhparams, "path");
  for (const CertificateStatus& each : report.certificates)
    document["certificates"].push_back(to_json(each, has_details));
  for (const jobs::LostCertificate& each : report.lost)
    document["lost"].push_back({{"name", each.name}, {"has_files", each.has_files}});
  for (const store::IncidentRecord& each : report.incidents)
    document["incidents"].push_back(to_json(each));
  return document;
}

// Without a status nginx's configuration tells whether what it needs is there.
Result<jobs::Check> check(const jobs::Environment& environment,
                          const Result<jobs::StatusReport>& report) {
  if (report) return jobs::check(*report);
  const auto lost = TRY(jobs::find_lost(environment, nullptr));
  const bool has_all = std::ranges::all_of(lost, &jobs::LostCertificate::has_files);
  return jobs::check_without_status(report.error(), !has_all);
}

Result<Output> show_check(const jobs::Environment& environment,
                          const Result<jobs::StatusReport>& report) {
  const jobs::Check check = TRY(app::check(environment, report));
  Output output;
  output.exit_status = check.exit_status;
  output.text = check.line;
  output.document = {{"exit_status", check.exit_status}, {"line", check.line}};
  return output;
}

}  // namespace

Result<Output> execute(const StatusCommand& command, const jobs::Environment& environment) {
  auto report = jobs::status(environment, command.options);
  if (command.format == StatusFormat::check) return show_check(environment, report);
  if (!report) return std::unexpected(std::move(report).error());
  const bool is_one = !command.options.name.empty();
  Output output;
  if (command.format == StatusFormat::prometheus) {
    output.bytes = jobs::to_prometheus(*report);
    return output;
  }
  if (command.format == StatusFormat::json) {
    output.document = to_json(*report, is_one);
    return output;
  }
  const Look look{terminal_width(stdout), wants_colour(stdout)};
  output.text = is_one ? print_details(*report, look) : print_table(*report, look);
  return output;
}

}  // namespace everseal::app
