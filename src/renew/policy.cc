#include "renew/policy.h"

namespace everseal::renew {
namespace {

Decision decide(const Candidate& candidate, Time now, Urgency urgency) {
  const store::CertificateRecord& certificate = *candidate.certificate;
  if (certificate.method == store::Method::nginx && !certificate.in_nginx) return Decision::unused;
  if (candidate.has_ready_version && !candidate.has_pending_version) return Decision::install;
  if (urgency == Urgency::now) return Decision::issue;
  if (certificate.renew_at > now && !candidate.has_pending_version) return Decision::not_due;
  return certificate.next_attempt > now ? Decision::wait : Decision::issue;
}

}  // namespace

std::vector<Entry> plan(std::span<const Candidate> candidates, Time now, Urgency urgency) {
  std::vector<Entry> entries;
  for (const Candidate& candidate : candidates)
    entries.push_back({candidate.certificate, decide(candidate, now, urgency)});
  return entries;
}

}  // namespace everseal::renew
