#include "renew/policy.h"

#include <array>

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

Time renewal_time(Time not_before, Time not_after) {
  const base::Seconds life = not_after - not_before;
  return life < std::chrono::days(10) ? not_after - life / 2 : not_after - life / 3;
}

base::Seconds backoff(int failures) {
  constexpr std::array<std::chrono::minutes, 3> kFirst = {
      std::chrono::minutes(1), std::chrono::minutes(10), std::chrono::minutes(100)};
  const auto index = static_cast<std::size_t>(failures < 1 ? 0 : failures - 1);
  return index < kFirst.size() ? kFirst[index] : base::Seconds(std::chrono::days(1));
}

std::vector<Entry> plan(std::span<const Candidate> candidates, Time now, Urgency urgency) {
  std::vector<Entry> entries;
  for (const Candidate& candidate : candidates)
    entries.push_back({candidate.certificate, decide(candidate, now, urgency)});
  return entries;
}

}  // namespace everseal::renew
