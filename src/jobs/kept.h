// The catalog's certificates as plan() sees them.
#pragma once

#include "acme/renewal_info.h"
#include "renew/plan.h"
#include "store/catalog.h"

namespace everseal::jobs {

renew::Kept to_kept(const store::CertificateRecord& record, renew::Progress progress);

// What an order for it would be to the CA now.
renew::Intent to_intent(const store::CertificateRecord& record, Time now);

// Enters what the CA said about when to renew it.
void enter_answer(store::CertificateRecord& record, const acme::RenewalInfo& info, Time now);

// Enters a failure; `retry_at` is the CA's.
void enter_failure(store::CertificateRecord& record, const std::string& error,
                   std::optional<Time> retry_at, Time now);

// Enters a version that is live from now on; `draw` is drawn for it.
void enter_version(store::CertificateRecord& record, const store::VersionRecord& version,
                   std::uint32_t draw, Time now);

}  // namespace everseal::jobs
