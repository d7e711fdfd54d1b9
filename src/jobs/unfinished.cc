#include "jobs/unfinished.h"

#include <algorithm>

#include "jobs/kept.h"

namespace everseal::jobs {

Result<bool> is_unfinished(store::Catalog& catalog, const store::CertificateRecord& certificate) {
  if (!waits_for_secure(certificate)) return false;
  if (certificate.failures > 0) return true;
  for (const auto state : {store::VersionState::pending, store::VersionState::ready})
    if (TRY(catalog.version(certificate.id, state))) return true;
  return false;
}

Result<> give_up_unfinished(State& state, const std::vector<std::string>& sites) {
  for (store::CertificateRecord& each : TRY(state.catalog().certificates())) {
    const bool is_of_them = std::ranges::find_first_of(each.names, sites) != each.names.end();
    if (!is_of_them || !waits_for_secure(each)) continue;
    each.failures = 0;
    TRY(state.catalog().save_certificates({&each, 1}));
    TRY(state.discard_pending(each));
    auto ready = TRY(state.catalog().version(each.id, store::VersionState::ready));
    if (!ready) continue;
    ready->state = store::VersionState::old;
    TRY(state.catalog().save_versions({&*ready, 1}));
  }
  return {};
}

}  // namespace everseal::jobs
