// The catalog's certificates as plan() sees them, and back.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>

#include "acme/issuance.h"
#include "acme/renewal_info.h"
#include "renew/plan.h"
#include "store/catalog.h"

namespace everseal::jobs {

// How far the next version is of each certificate that has an unfinished one, by id.
using ProgressById = std::unordered_map<std::int64_t, renew::Progress>;
Result<ProgressById> read_progress(store::Catalog& catalog);

renew::Kept to_kept(const store::CertificateRecord& record, renew::Progress progress);

// The same certificates, by id; they must outlive it.
using RecordsById = std::unordered_map<std::int64_t, const store::CertificateRecord*>;
RecordsById by_id(std::span<const store::CertificateRecord> certificates);

// The names that the live version does without.
std::vector<store::FailingName> left_out(const store::CertificateRecord& record);

// Whether `everseal secure` began it and ended before nginx had it: only that can go on, for it
// edits nginx's files.
bool waits_for_secure(const store::CertificateRecord& record);

// When to look at it again after this decision: within a day, whatever becomes of the clock.
Time next_look(const renew::Action& action, Time now);

// What an order for these names of it would be to the CA now.
renew::Intent to_intent(const store::CertificateRecord& record,
                        const std::vector<std::string>& names, Time now);

// Enters what the CA said about when to renew it.
void enter_answer(store::CertificateRecord& record, const acme::RenewalInfo& info, Time now);

// Enters an order that came to nothing: the outcome's chain is an error.
void enter_failure(store::CertificateRecord& record, const renew::Action& action,
                   const acme::Outcome& outcome, Time now);

// Enters a version that is live from now on; `draw` is drawn for it.
void enter_version(store::CertificateRecord& record, const store::VersionRecord& version,
                   std::uint32_t draw, Time now);

}  // namespace everseal::jobs
