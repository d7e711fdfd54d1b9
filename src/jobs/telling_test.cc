#include "jobs/telling.h"

#include <gtest/gtest.h>

namespace everseal::jobs {
namespace {

constexpr Time kNow{base::Seconds(1'795'000'000)};

store::CertificateRecord certificate() {
  store::CertificateRecord record;
  record.name = "a.example";
  record.names = {"a.example"};
  record.version = 1;
  record.not_after = kNow + std::chrono::days(12) + std::chrono::hours(1);
  record.failures = 1;
  record.first_failure = kNow;
  record.last_error = "a.example: unauthorized: no";
  record.next_attempt = kNow + std::chrono::minutes(10);
  return record;
}

TEST(RenewalTrouble, SaysHowLongThereIsAndWhatComesNext) {
  const notify::Trouble trouble = renewal_trouble(certificate(), kNow);
  EXPECT_EQ(trouble.key, "certificate a.example");
  EXPECT_EQ(trouble.headline, "a.example could not be renewed");
  EXPECT_EQ(trouble.urgency, "12 days left");
  EXPECT_EQ(trouble.text,
            "The present certificate is good until Mon 30 Nov 2026, 12:06 UTC.\n\n"
            "What went wrong:\na.example: unauthorized: no\n\n"
            "It is tried again after Wed 18 Nov 2026, 11:16 UTC. "
            "To try at once: everseal renew a.example");
}

TEST(RenewalTrouble, CountsAndNamesWhatIsLost) {
  store::CertificateRecord record = certificate();
  record.names = {"a.example", "b.example"};
  record.failures = 3;
  record.not_after = kNow - base::Seconds(1);
  record.next_attempt = kNow;
  const notify::Trouble trouble = renewal_trouble(record, kNow);
  EXPECT_EQ(trouble.urgency, "expired");
  EXPECT_EQ(trouble.text,
            "It is for a.example, b.example.\n\n"
            "The certificate expired on Wed 18 Nov 2026, 11:06 UTC: browsers refuse it.\n\n"
            "It was tried 3 times since Wed 18 Nov 2026, 11:06 UTC. What went wrong last:\n"
            "a.example: unauthorized: no\n\n"
            "It is tried again with the next run of everseal renew. "
            "To try at once: everseal renew a.example");
}

TEST(ServedTrouble, SaysWhereAndWhat) {
  const store::ServedRecord served{.sight = store::Sight::wrong,
                                   .not_after = kNow + std::chrono::days(3),
                                   .problem = "a.example at [::1]:443: shows version 1"};
  const notify::Trouble trouble = served_trouble(certificate(), served, kNow);
  EXPECT_EQ(trouble.key, "served a.example");
  EXPECT_EQ(trouble.headline, "nginx serves something else than the certificate of a.example");
  EXPECT_EQ(trouble.urgency, "3 days left");
  EXPECT_EQ(trouble.text,
            "This was seen where nginx should serve it:\n"
            "a.example at [::1]:443: shows version 1\n\n"
            "Often nginx was not reloaded, or its configuration names another file. "
            "nginx -s reload may be all that is missing.");
  EXPECT_FALSE(trouble.once);
}

TEST(ServedTrouble, OfACertificateThatNginxDoesNotNameIsToldOnce) {
  const store::ServedRecord served{.sight = store::Sight::unused, .problem = "not named"};
  const notify::Trouble trouble = served_trouble(certificate(), served, kNow);
  EXPECT_EQ(trouble.key, "unused a.example");
  EXPECT_EQ(trouble.headline, "nginx no longer uses the certificate of a.example");
  EXPECT_TRUE(trouble.once);
}

}  // namespace
}  // namespace everseal::jobs
