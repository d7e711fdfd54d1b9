#include "jobs/unfinished.h"

#include <algorithm>

#include "jobs/kept.h"

namespace everseal::jobs {

Result<bool> is_unfinished(store::Catalog& catalog, const store::CertificateRecord& certificate) {
  if (!waits_for_secure(certificate)) return false;
  const store::ChangeRecord* newest = nullptr;
  const auto changes = TRY(catalog.changes());
  for (const store::ChangeRecord& each : changes) {
    const bool is_of_it =
        std::ranges::find_first_of(each.sites, certificate.names) != each.sites.end();
    if (is_of_it && (newest == nullptr || newest->id < each.id)) newest = &each;
  }
  return newest == nullptr || newest->state != store::ChangeState::undone;
}

}  // namespace everseal::jobs
