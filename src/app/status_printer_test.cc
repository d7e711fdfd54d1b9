#include "app/status_printer.h"

#include <gtest/gtest.h>

namespace everseal::app {
namespace {

using std::chrono::days;
using std::chrono::hours;

constexpr Time kNow{base::Seconds(1'795'000'000)};

jobs::CertificateStatus certificate(const std::string& name, int days_left) {
  jobs::CertificateStatus status;
  status.certificate.name = name;
  status.certificate.names = {name};
  status.certificate.server = "https://ca.example/directory";
  status.certificate.key_type = "ecdsa-p256";
  status.certificate.version = 2;
  status.certificate.fingerprint = "f2";
  status.certificate.in_nginx = true;
  status.certificate.not_after = kNow + days(days_left);
  status.certificate.not_before = status.certificate.not_after - days(90);
  status.certificate.key_since = status.certificate.not_before;
  status.expires = status.certificate.not_after;
  status.next = {.what = renew::Do::nothing, .at = kNow + days(days_left - 30), .why = "it is so"};
  jobs::judge(status, {}, kNow);
  return status;
}

jobs::StatusReport report() {
  jobs::StatusReport report{
      .now = kNow,
      .certificates = {certificate("late.example", 4), certificate("fine.example", 60)}};
  report.certificates[1].certificate.names.push_back("www.fine.example");
  report.last_run = kNow - hours(3);
  return report;
}

TEST(StatusTable, HasALineForEachCertificate) {
  EXPECT_EQ(print_table(report(), {}),
            "NAME                  EXPIRES IN  RENEWAL     RESULT  KEY AGE  SERVED BY\n"
            "late.example          4 days      now         ok      86 days  nginx\n"
            "fine.example +1 more  60 days     in 30 days  ok      30 days  nginx\n"
            "\n"
            "late.example: 4 days left\n"
            "\n"
            "2 certificates: 1 well, 1 critical; renewal is due; last run 3 hours ago.\n");
}

TEST(StatusTable, DropsColumnsAndCutsNamesWhereThereIsNoRoom) {
  jobs::StatusReport narrow = report();
  narrow.certificates[1].certificate.name = "a-very-long-name-for-a-site.example";
  const std::string text = print_table(narrow, {.width = 45});
  EXPECT_EQ(text.substr(0, text.find("\n\n")),
            "NAME                       EXPIRES IN  RESULT\n"
            "late.example               4 days      ok\n"
            "a-very-long-na... +1 more  60 days     ok")
      << "the name keeps how many more there are";
}

TEST(StatusTable, ShowsWhatIsWrongFirstAndTheCasWordsOnce) {
  jobs::StatusReport failing = report();
  failing.lateness = "everseal renew last ran 5 days ago";
  failing.incidents = {
      {"certificate late.example", "late.example could not be renewed", kNow, kNow}};
  for (jobs::CertificateStatus& each : failing.certificates) {
    each.certificate.failures = 2;
    each.certificate.last_error = "malformed: no\x1b[2J";
    each.certificate.next_attempt = kNow + hours(1);
  }
  const std::string text = print_table(failing, {});
  EXPECT_TRUE(
      text.starts_with("everseal renew last ran 5 days ago: is its timer on?\n"
                       "Since Wed 18 Nov 2026, 11:06 UTC: late.example could not be renewed\n"
                       "\nNAME "))
      << text;
  EXPECT_TRUE(
      text.contains("\n\nlate.example and 1 more failed; the next try is after "
                    "2026-11-18T12:06:40Z:\n  malformed: no\\x1b[2J\n\n2 certificates"))
      << text;
  EXPECT_TRUE(text.contains("failed 2 times")) << text;
}

TEST(StatusTable, IsColouredByUrgency) {
  const std::string text = print_table(report(), {.has_colours = true});
  EXPECT_TRUE(
      text.contains("\n\x1b[31;1mlate.example          4 days      now         ok      86 "
                    "days  nginx\x1b[0m\nfine.example"))
      << text;
}

TEST(StatusTable, OfNothingSaysHowToBegin) {
  EXPECT_EQ(print_table({}, {}),
            "No certificates yet. Start with: everseal secure --all --dry-run\n");
}

TEST(StatusDetails, SayAll) {
  jobs::StatusReport one{.now = kNow, .certificates = {certificate("a.example", 60)}};
  jobs::CertificateStatus& status = one.certificates.front();
  status.certificate.window = {kNow + days(29), kNow + days(31), "https://ca.example/why"};
  status.certificate.failures = 2;
  status.certificate.first_failure = kNow - hours(2);
  status.certificate.last_attempt = kNow - hours(1);
  status.certificate.next_attempt = kNow + hours(1);
  status.certificate.last_error = "a.example: unauthorized: no";
  status.certificate.failing = {{"a.example", 2, kNow - hours(2), kNow - hours(1), "no"}};
  status.served = store::ServedRecord{.sight = store::Sight::wrong,
                                      .checked_at = kNow - hours(4),
                                      .not_after = kNow + days(1),
                                      .places = {"127.0.0.1:443", "[::1]:443"},
                                      .problem = "one\ntwo"};
  status.expires = kNow + days(1);
  status.limits = {{"certificates for exactly these names", 5, 5, days(7)}};
  status.history = {{kNow - days(30), "a.example", store::EventKind::installed, "version 2"},
                    {kNow - hours(1), "a.example", store::EventKind::failed, "no"}};
  jobs::judge(status, {}, kNow);
  one.account_keys = {{"https://other.example/", kNow},
                      {"https://ca.example/directory", kNow - days(40)}};
  EXPECT_EQ(print_details(one, {}),
            "a.example\n"
            "  concern     1 day left\n"
            "  names       a.example\n"
            "  CA          https://ca.example/directory\n"
            "  account     its key is 40 days old\n"
            "  key         ecdsa-p256, 30 days old\n"
            "  version     2, SHA-256 f2\n"
            "  expires     2027-01-17T11:06:40Z (in 60 days)\n"
            "              what is served: 2026-11-19T11:06:40Z (in 1 day)\n"
            "  served      by nginx at 127.0.0.1:443, [::1]:443; looked at 4 hours ago\n"
            "              one\n"
            "              two\n"
            "  next        it is renewed 2026-12-18T11:06:40Z (in 30 days): it is so\n"
            "  window      the CA suggests 2026-12-17T11:06:40Z to 2026-12-19T11:06:40Z: "
            "https://ca.example/why\n"
            "  limits      an order now would be 5 of 5: certificates for exactly these names in 7 "
            "days\n"
            "  failed      2 times since 2026-11-18T09:06:40Z, last 2026-11-18T10:06:40Z\n"
            "              a.example: unauthorized: no\n"
            "  next try    2026-11-18T12:06:40Z (in 1 hour)\n"
            "  failing     a.example, 2 times, since 2026-11-18T09:06:40Z: no (it is left out)\n"
            "  history     2026-10-19T11:06:40Z  installed: version 2\n"
            "              2026-11-18T10:06:40Z  failed: no\n");
}

}  // namespace
}  // namespace everseal::app
