#include "jobs/hsts_step.h"

#include <algorithm>
#include <set>

#include "jobs/server.h"
#include "nginx/edit.h"

namespace everseal::jobs {
Result<> step_hsts(const Environment& environment, State& state,
                   const std::vector<std::string>& renewed) {
  const auto& wish = environment.settings.hsts;
  if (!wish || wish->kind != nginx::HstsWish::Kind::ramp || renewed.empty()) return {};
  const Server server = TRY(Server::find(environment));
  const nginx::Model model = TRY(server.model());
  std::set<std::string> bundles;
  for (const std::string& name : renewed) bundles.insert(state.certificates().bundle_path(name));
  std::vector<nginx::Site> sites = nginx::find_sites(model).sites;
  std::erase_if(sites, [&](const nginx::Site& site) {
    return std::ranges::none_of(site.pairs, [&](const nginx::CertificatePair& pair) {
      return bundles.contains(pair.certificate);
    });
  });
  const nginx::EditPlan plan = nginx::plan_hsts_step(model, sites);
  if (plan.edits.empty()) return {};
  TRY(nginx::verify_edit(model, TRY(server.model_with(nginx::texts_after(plan))), sites));
  std::vector<std::string> names;
  for (const nginx::Site& site : sites) names.push_back(site.name);
  std::vector<deploy::ChangedFile> files;
  for (const nginx::FileEdit& edit : plan.edits)
    files.push_back({edit.path, edit.before, edit.after});
  TRY(server.change(state, "Strict-Transport-Security, the next step", names, files));
  environment.reporter.note(
      "Strict-Transport-Security is sent for longer now; see everseal changes");
  return {};
}

}  // namespace everseal::jobs
