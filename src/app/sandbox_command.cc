#include "app/sandbox_command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "privsep/probe.h"

namespace everseal::app {
namespace {

Json to_json(const privsep::RoleReport& report) {
  Json guards = Json::array(), attempts = Json::array();
  for (const privsep::Guard& guard : report.guards)
    guards.push_back({{"name", guard.name}, {"on", guard.on}, {"detail", guard.detail}});
  for (const privsep::Tried& tried : report.tried)
    attempts.push_back({{"name", tried.attempt->name},
                        {"about", tried.attempt->about},
                        {"refused", tried.refused},
                        {"how", tried.how}});
  const uid_t user = report.identity ? report.identity->user : ::geteuid();
  const gid_t group = report.identity ? report.identity->group : ::getegid();
  return {{"role", to_string(report.role)},
          {"uid", user},
          {"gid", group},
          {"guards", std::move(guards)},
          {"attempts", std::move(attempts)}};
}

std::string describe(const privsep::Guard& guard) {
  return guard.detail.empty() ? guard.name : fmt::format("{} ({})", guard.name, guard.detail);
}

std::string describe(const privsep::RoleReport& report) {
  std::string text = fmt::format("{}\n", to_string(report.role));
  for (const privsep::Guard& guard : report.guards)
    text += fmt::format("  {}  {}\n", guard.on ? "on   " : "lacks", describe(guard));
  const auto refused = std::ranges::count_if(report.tried, &privsep::Tried::refused);
  text += fmt::format("  tried {} things that it must not do: {} refused\n", report.tried.size(),
                      refused);
  for (const privsep::Tried& tried : report.tried)
    if (!tried.refused)
      text += fmt::format("  could  {}: {}{}\n", tried.attempt->about, tried.how,
                          tried.excused ? " (this kernel cannot forbid it)" : "");
  return text;
}

bool holds(const privsep::RoleReport& report) {
  return std::ranges::all_of(
      report.tried, [](const privsep::Tried& tried) { return tried.refused || tried.excused; });
}

}  // namespace

Result<Output> show_sandbox() {
  std::optional<privsep::Identities> identities;
  if (::geteuid() == 0) identities = privsep::find_identities();
  Output output;
  output.document = {{"roles", Json::array()}};
  for (const privsep::RoleReport& report : TRY(privsep::probe_roles(identities))) {
    output.document["roles"].push_back(to_json(report));
    output.text += describe(report);
    if (!holds(report)) output.exit_status = kFailed;
  }
  output.document["holds"] = output.exit_status == kDone;
  if (identities && identities->temporary)
    output.text += fmt::format(
        "The system users {} and {} do not exist yet: until the first run as root makes them, "
        "roles "
        "take user ids that nobody has.\n",
        privsep::kWorkersUser, privsep::kKeysUser);
  return output;
}

}  // namespace everseal::app
