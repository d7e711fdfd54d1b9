#include "jobs/status.h"

#include <gtest/gtest.h>

#include "jobs/check.h"
#include "jobs/metrics.h"

namespace everseal::jobs {
namespace {

using std::chrono::days;
using std::chrono::hours;

constexpr Time kNow{base::Seconds(1'795'000'000)};

// Of this life, of which so much is left.
CertificateStatus status_with(base::Seconds left, base::Seconds life = days(90)) {
  CertificateStatus status;
  status.certificate.name = "a.example";
  status.certificate.names = {"a.example"};
  status.certificate.version = 1;
  status.certificate.not_after = kNow + left;
  status.certificate.not_before = kNow + left - life;
  status.certificate.fingerprint = "f1";
  status.expires = status.certificate.not_after;
  return status;
}

std::string judged(CertificateStatus status, const Thresholds& thresholds = {}) {
  judge(status, thresholds, kNow);
  return std::string(to_string(status.level)) +
         (status.concern.empty() ? "" : ": " + status.concern);
}

store::ServedRecord seen(store::Sight sight) { return {.sight = sight}; }

TEST(Judge, GoesByTheLifeThatIsLeft) {
  EXPECT_EQ(judged(status_with(days(90))), "ok");
  EXPECT_EQ(judged(status_with(days(12))), "ok");
  EXPECT_EQ(judged(status_with(days(11))), "warning: 11 days left");
  EXPECT_EQ(judged(status_with(days(5))), "critical: 5 days left");
  EXPECT_EQ(judged(status_with(-hours(30))), "critical: expired 30 hours ago");
  EXPECT_EQ(judged(status_with(days(6), days(6))), "ok");
  EXPECT_EQ(judged(status_with(hours(17), days(6))), "warning: 17 hours left");
}

TEST(Judge, TakesDaysOnlyWithinTheLife) {
  const Thresholds thresholds{.warning = days(30), .critical = days(20)};
  EXPECT_EQ(judged(status_with(days(29)), thresholds), "warning: 29 days left");
  EXPECT_EQ(judged(status_with(days(14)), thresholds), "critical: 14 days left");
  EXPECT_EQ(judged(status_with(days(6), days(6)), thresholds), "ok");
  EXPECT_EQ(judged(status_with(hours(47), days(6)), thresholds), "warning: 47 hours left");
  EXPECT_EQ(judged(status_with(hours(23), days(6)), thresholds), "critical: 23 hours left");
  EXPECT_EQ(judged(status_with(days(3)), {.warning = days(2), .critical = days(1)}), "ok");
}

TEST(Judge, TellsWhatElseIsWrong) {
  CertificateStatus status = status_with(days(60));
  status.certificate.failures = 2;
  EXPECT_EQ(judged(status), "ok") << "it is tried again";
  status.certificate.failures = 3;
  EXPECT_EQ(judged(status), "warning: failed 3 times in a row");
  status.served = seen(store::Sight::unreachable);
  EXPECT_EQ(judged(status), "warning: nobody answers where nginx should serve it");
  status.served = seen(store::Sight::wrong);
  EXPECT_EQ(judged(status), "warning: something else is served");
  CertificateStatus none;
  EXPECT_EQ(judged(none), "ok") << "it was begun";
  none.certificate.failures = 1;
  EXPECT_EQ(judged(none), "warning: failed once");
}

TEST(Judge, SeesWhatSecureHasLeftUnfinished) {
  CertificateStatus begun;
  begun.is_used = false;
  begun.is_unfinished = true;
  EXPECT_EQ(judged(begun),
            "warning: everseal secure ended before nginx had it: run it again, it goes on from "
            "there");
}

TEST(Judge, FaultC9_SeesWhatNginxNamesAndIsNotThere) {
  CertificateStatus lost;
  lost.certificate.in_nginx = true;
  EXPECT_EQ(judged(lost),
            "critical: nginx's configuration names it and there is none: everseal renew orders it");
  CertificateStatus older = status_with(days(60));
  older.is_unknown = true;
  EXPECT_TRUE(judged(older).starts_with("warning: an older catalog was put back")) << judged(older);
}

TEST(Judge, LetsEndWhatNobodyUses) {
  CertificateStatus status = status_with(-days(1));
  status.is_used = false;
  EXPECT_EQ(judged(status), "ok");
  status.served = seen(store::Sight::unused);
  EXPECT_EQ(judged(status), "ok");
  status.served = seen(store::Sight::wrong);
  EXPECT_EQ(judged(status), "critical: expired 1 day ago") << "a copy is shown";
}

TEST(ServedBy, NamesWhoShowsIt) {
  CertificateStatus status = status_with(days(60));
  EXPECT_EQ(served_by(status), "files");
  status.certificate.in_nginx = true;
  EXPECT_EQ(served_by(status), "nginx");
  status.certificate.in_haproxy = "f1 in /etc/haproxy/certs";
  EXPECT_EQ(served_by(status), "nginx, haproxy");
  status.certificate.in_haproxy = "f0 in /etc/haproxy/certs";
  EXPECT_EQ(served_by(status), "nginx") << "HAProxy shows the one before";
  status.certificate.in_nginx = false;
  status.is_used = false;
  EXPECT_EQ(served_by(status), "nobody");
}

StatusReport report_of(std::vector<CertificateStatus> certificates) {
  StatusReport report{.now = kNow, .certificates = std::move(certificates)};
  report.last_run = kNow - hours(3);
  for (CertificateStatus& each : report.certificates) {
    judge(each, {}, kNow);
    report.level = std::max(report.level, each.level);
  }
  return report;
}

TEST(Check, IsOneLineWithData) {
  const Check found = check(report_of({status_with(days(60))}));
  EXPECT_EQ(found.exit_status, 0);
  EXPECT_EQ(found.line,
            "EVERSEAL OK - 1 certificate, the first to expire is a.example in 60 days | "
            "certificates=1;;;0 warning=0;;;0 critical=0;;;0 incidents=0;;;0 first_expiry=5184000s "
            "last_run=10800s;172800;;0\n");
}

TEST(Check, NamesTheFirstThree) {
  std::vector<CertificateStatus> many(5, status_with(days(4)));
  many.push_back(status_with(days(60)));
  const Check found = check(report_of(many));
  EXPECT_EQ(found.exit_status, 2);
  EXPECT_TRUE(found.line.starts_with(
      "EVERSEAL CRITICAL - a.example: 4 days left; a.example: 4 days left; a.example: 4 days left; "
      "and 2 certificates more | certificates=6;;;0 warning=0;;;0 critical=5;;;0 "))
      << found.line;
}

TEST(Check, SaysWhatIsWrongWhereNoCertificateIs) {
  StatusReport report = report_of({status_with(days(60))});
  report.incidents = {{"renew", "everseal renew | failed\n", kNow, {}}};
  report.level = Level::warning;
  const Check found = check(report);
  EXPECT_EQ(found.exit_status, 1);
  EXPECT_TRUE(
      found.line.starts_with("EVERSEAL WARNING - everseal renew / failed\\x0a | certificates=1;"))
      << found.line;
}

TEST(Check, FaultX5_SaysThatTheLastRunCouldNotWork) {
  StatusReport report = report_of({status_with(days(60))});
  report.hindrance = "everseal renew could not do its work 2 hours ago: database or disk is full";
  report.level = Level::warning;
  EXPECT_TRUE(check(report).line.starts_with(
      "EVERSEAL WARNING - everseal renew could not do its work 2 hours ago: database or disk is "
      "full | "))
      << check(report).line;
}

TEST(Check, IsUnknownWhereNothingIsKnown) {
  EXPECT_EQ(check(StatusReport()).line, "EVERSEAL UNKNOWN - there are no certificates yet\n");
  const Check found = check_without_status(base::internal("no catalog").error(), false);
  EXPECT_EQ(found.exit_status, 3);
  EXPECT_EQ(found.line, "EVERSEAL UNKNOWN - no catalog\n");
}

TEST(Check, FaultC9_IsCriticalWhereFilesOfNginxAreLost) {
  EXPECT_EQ(check_without_status(base::invalid("it is gone").error(), true).line,
            "EVERSEAL CRITICAL - it is gone\n");
  StatusReport report;
  report.lost = {{.name = "a.example"}};
  report.loss = "the catalog does not know 1 certificate";
  report.level = Level::critical;
  EXPECT_TRUE(check(report).line.starts_with(
      "EVERSEAL CRITICAL - the catalog does not know 1 certificate | certificates=0;"))
      << check(report).line;
}

TEST(Check, NamesTheFirstThreeIncidents) {
  StatusReport report = report_of({status_with(days(60))});
  for (const char* headline : {"one", "two", "three", "four", "five"})
    report.incidents.push_back({headline, headline, kNow, {}});
  report.level = Level::warning;
  EXPECT_TRUE(check(report).line.starts_with("EVERSEAL WARNING - one; two; three; and 2 more | "))
      << check(report).line;
}

TEST(Metrics, AreTextOfPrometheus) {
  CertificateStatus status = status_with(days(60));
  status.certificate.failures = 2;
  status.next.at = kNow + days(30);
  status.served = {.sight = store::Sight::wrong, .not_after = kNow};
  const std::string page = to_prometheus(report_of({status}));
  EXPECT_TRUE(
      page.starts_with("# HELP everseal_certificates Certificates that are kept.\n"
                       "# TYPE everseal_certificates gauge\n"
                       "everseal_certificates 1\n"))
      << page;
  for (const char* line :
       {"everseal_incidents 0\n", "everseal_last_run_timestamp_seconds 1794989200\n",
        "everseal_last_check_timestamp_seconds 0\n",
        "everseal_certificate_not_before_seconds{name=\"a.example\"} 1792408000\n",
        "everseal_certificate_not_after_seconds{name=\"a.example\"} 1800184000\n",
        "everseal_certificate_served_not_after_seconds{name=\"a.example\"} 1795000000\n",
        "everseal_certificate_served_ok{name=\"a.example\"} 0\n",
        "everseal_certificate_renew_at_seconds{name=\"a.example\"} 1797592000\n",
        "everseal_certificate_failures{name=\"a.example\"} 2\n",
        "everseal_certificate_level{name=\"a.example\"} 1\n"})
    EXPECT_TRUE(page.contains(line)) << line << page;
}

TEST(Metrics, LeaveOutWhatIsNotKnown) {
  CertificateStatus status;
  status.certificate.name = "a.example";
  status.next.at = Time::max();
  const std::string page = to_prometheus(report_of({status}));
  EXPECT_FALSE(page.contains("everseal_certificate_not_after_seconds{"));
  EXPECT_FALSE(page.contains("everseal_certificate_served_ok{"));
  EXPECT_FALSE(page.contains("everseal_certificate_renew_at_seconds{"));
  EXPECT_TRUE(page.contains("everseal_certificate_failures{name=\"a.example\"} 0\n"));
}

}  // namespace
}  // namespace everseal::jobs
