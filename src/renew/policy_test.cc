#include "renew/policy.h"

#include <gtest/gtest.h>

namespace everseal::renew {
namespace {

using std::chrono::days;

const Time kNow = *base::parse_rfc3339("2026-11-21T00:00:00Z");

store::CertificateRecord certificate(Time renew_at) {
  store::CertificateRecord record;
  record.in_nginx = true;
  record.version = 1;
  record.renew_at = renew_at;
  return record;
}

Decision decide(const store::CertificateRecord& record, Urgency urgency = Urgency::when_due) {
  const Candidate candidate{&record};
  return plan({&candidate, 1}, kNow, urgency).front().decision;
}

TEST(Plan, IssuesWhatIsDueAndNothingElse) {
  EXPECT_EQ(decide(certificate(kNow)), Decision::issue);
  EXPECT_EQ(decide(certificate(kNow + base::Seconds(1))), Decision::not_due);
  EXPECT_EQ(decide(certificate(kNow + days(30)), Urgency::now), Decision::issue);
}

TEST(Plan, WaitsAfterAFailureUnlessAPersonAsks) {
  auto record = certificate(kNow);
  record.next_attempt = kNow + base::Seconds(1);
  EXPECT_EQ(decide(record), Decision::wait);
  EXPECT_EQ(decide(record, Urgency::now), Decision::issue);
}

TEST(Plan, LeavesAloneWhatNginxNoLongerServes) {
  auto record = certificate(kNow);
  record.in_nginx = false;
  EXPECT_EQ(decide(record, Urgency::now), Decision::unused);
  record.method = store::Method::standalone;
  EXPECT_EQ(decide(record), Decision::issue);
}

TEST(Plan, FinishesWhatAnEarlierRunBegan) {
  const auto record = certificate(kNow + days(30));
  const Candidate ready{&record, true, false}, pending{&record, false, true};
  EXPECT_EQ(plan({&ready, 1}, kNow, Urgency::when_due).front().decision, Decision::install);
  EXPECT_EQ(plan({&pending, 1}, kNow, Urgency::when_due).front().decision, Decision::issue);
}

}  // namespace
}  // namespace everseal::renew
