#include "app/state_commands.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "jobs/words.h"

namespace everseal::app {
namespace {

Json to_json(const jobs::RepairedCertificate& repaired) {
  const store::CertificateRecord& certificate = repaired.certificate;
  return {{"name", certificate.name},
          {"names", certificate.names},
          {"version", certificate.version},
          {"expires", time_or_null(certificate.not_after)},
          {"server", certificate.server},
          {"key_type", certificate.key_type},
          {"method", to_string(certificate.method)},
          {"in_nginx", certificate.in_nginx},
          {"notes", repaired.notes}};
}

std::string to_line(const jobs::RepairedCertificate& repaired) {
  const store::CertificateRecord& certificate = repaired.certificate;
  std::string text = fmt::format("{}: ", certificate.name);
  if (certificate.version > 0)
    text += fmt::format("version {}, valid until {}{}\n", certificate.version,
                        base::to_rfc3339(certificate.not_after),
                        certificate.in_nginx ? ", in nginx" : "");
  else
    text += "no version\n";
  for (const std::string& note : repaired.notes) text += fmt::format("  {}\n", note);
  return text;
}

// In the order in which it must be done: nginx takes no change, and answers no CA, before it finds
// all files that it is to read.
std::string what_to_do_now(const jobs::RepairReport& report, const jobs::Settings& settings) {
  if (report.missing.empty()) return "Now: everseal renew";
  const std::string live = settings.state + "/live";
  return fmt::format(
      "Now, in this order:\n"
      "  1. put certificates of no worth where nginx needs a file:\n"
      "     (umask 077; for name in {0}; do mkdir -p {1}/$name && openssl req -x509 -newkey "
      "rsa:2048 -nodes -days 30 -subj / -keyout {1}/$name/bundle.pem -out {1}/$name/bundle.pem; "
      "done)\n"
      "  2. nginx -t, and start nginx if it does not run\n"
      "  3. everseal renew",
      fmt::join(report.missing, " "), live);
}

}  // namespace

Result<Output> execute(const jobs::RepairOptions& options, const jobs::Environment& environment) {
  const jobs::RepairReport report = TRY(jobs::repair(environment, options));
  Output output;
  output.document = {{"dry_run", options.dry_run},
                     {"certificates", Json::array()},
                     {"kept", Json::array()},
                     {"aside", report.aside.empty() ? Json(nullptr) : Json(report.aside)},
                     {"notes", report.notes}};
  for (const jobs::RepairedCertificate& each : report.certificates) {
    output.document["certificates"].push_back(to_json(each));
    output.text += to_line(each);
  }
  for (const store::Salvaged& each : report.kept) {
    output.document["kept"].push_back(
        {{"table", each.table}, {"rows", each.rows}, {"trouble", each.trouble}});
    if (!each.trouble.empty())
      output.text += fmt::format("Of the old catalog's {} {} rows could be read: {}\n", each.table,
                                 each.rows, each.trouble);
  }
  for (const std::string& note : report.notes) output.text += note + "\n";
  if (!report.aside.empty())
    output.text += fmt::format("The old catalog is in {}.\n", report.aside);
  output.text += options.dry_run
                     ? "Nothing was changed: this was a dry run.\n"
                     : fmt::format("The catalog is made anew, with {}. {}\n",
                                   jobs::count_of(report.certificates.size(), "certificate"),
                                   what_to_do_now(report, environment.settings));
  return output;
}

Result<Output> execute(const jobs::BackupOptions& options, const jobs::Environment& environment) {
  const jobs::BackupReport report = TRY(jobs::backup(environment, options));
  Output output;
  output.document = {{"file", report.file},
                     {"bytes", report.bytes},
                     {"certificates", report.certificates},
                     {"notes", report.notes}};
  output.text = fmt::format(
      "{}: {} with what belongs to {}, {} bytes. Whoever can read it has the keys: keep it as you "
      "keep them.\n",
      report.file, jobs::count_of(static_cast<std::uint64_t>(report.certificates), "certificate"),
      report.certificates == 1 ? "it" : "them", report.bytes);
  for (const std::string& note : report.notes) output.text += note + "\n";
  return output;
}

Result<Output> execute(const jobs::RestoreOptions& options, const jobs::Environment& environment) {
  const jobs::RestoreReport report = TRY(jobs::restore(environment, options));
  Output output;
  output.document = {{"made", base::to_rfc3339(report.made)},
                     {"certificates", report.certificates},
                     {"missing", report.missing},
                     {"replaced", report.replaced.empty() ? Json(nullptr) : Json(report.replaced)},
                     {"notes", report.notes}};
  output.text = fmt::format("The backup of {} is restored: {}.\n", base::to_rfc3339(report.made),
                            jobs::count_of(report.certificates.size(), "certificate"));
  if (!report.replaced.empty())
    output.text += fmt::format(
        "What was there before is in {}: remove it when you are sure that it holds nothing you "
        "need.\n",
        report.replaced);
  for (const std::string& note : report.notes) output.text += note + "\n";
  output.text += fmt::format(
      "Nginx serves what it has read until its next reload (nginx -s reload).\nNow{}: everseal "
      "{}\n",
      report.user.empty() ? "" : fmt::format(", as user {}", report.user),
      report.missing.empty() ? "renew" : "repair");
  return output;
}

}  // namespace everseal::app
