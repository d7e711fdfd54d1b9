#include "jobs/preview.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/diff.h"
#include "base/encoding.h"

namespace everseal::jobs {
namespace {

std::string intention(const SitePlan& site, const nginx::EditPlan& plan) {
  if (plan.refused(*site.site)) return "cannot be changed, see below";
  if (site.need != Need::issue) return site.why;
  return fmt::format("a certificate from the CA, {} ({})", site.certificate.key_type, site.why);
}

std::string lines_of(std::span<const nginx::Note> notes) {
  std::string text;
  for (const nginx::Note& note : notes) text += fmt::format("  {}: {}\n", note.where, note.text);
  return text;
}

// A heading over a text, or nothing over nothing.
std::string section(std::string_view heading, const std::string& text) {
  return text.empty() ? text : fmt::format("{}\n{}", heading, text);
}

}  // namespace

std::string diff_of(const nginx::EditPlan& plan) {
  std::string diff;
  for (const nginx::FileEdit& edit : plan.edits) {
    std::optional<std::string_view> before;
    if (edit.before) before = *edit.before;
    diff += base::unified_diff(edit.path, before, edit.after);
  }
  return diff;
}

std::string preview(std::span<const SitePlan> sites, const nginx::Sites& found,
                    const nginx::EditPlan& plan, const std::string& server,
                    const std::vector<std::string>& users) {
  std::string chosen, left_out;
  for (const SitePlan& site : sites)
    chosen += fmt::format("  {}: {}\n", fmt::join(site.site->names, ", "), intention(site, plan));
  for (const nginx::SkippedName& skipped : found.skipped)
    left_out += fmt::format("  '{}' ({}:{}): {}\n", base::printable(skipped.name), skipped.file,
                            skipped.line, skipped.reason);
  std::string text =
      section("Sites", chosen.empty() ? "  none\n" : chosen) + section("Left out", left_out) +
      section("Cannot be done", lines_of(plan.refusals)) +
      section("Worth knowing", lines_of(plan.notes)) + section("Changes to nginx", diff_of(plan));
  const auto is_wanted = [&](const SitePlan& site) {
    return site.need == Need::issue && !plan.refused(*site.site);
  };
  if (const auto wanted = std::ranges::count_if(sites, is_wanted); wanted > 0)
    text += fmt::format("Certificates to ask of {}: {}\n", server, wanted);
  if (!users.empty())
    text += fmt::format(
        "System users to make, without login, for the processes with fewer rights: {}\n",
        fmt::join(users, ", "));
  return text;
}

}  // namespace everseal::jobs
