#include "store/catalog.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace everseal::store {
namespace {

const Time kNow = *base::parse_rfc3339("2026-11-21T00:00:00Z");

class CatalogTest : public testing::Test {
 protected:
  CatalogTest() : catalog_(*Catalog::open(":memory:")) {}

  CertificateRecord saved(const std::string& name, Time renew_at) {
    CertificateRecord record;
    record.name = name;
    record.names = {name, "www." + name};
    record.server = "https://ca.example/directory";
    record.key_type = "ecdsa-p256";
    record.renew_at = record.next_look = renew_at;
    EXPECT_TRUE(catalog_.save_certificates({&record, 1}));
    return record;
  }

  Catalog catalog_;
};

TEST_F(CatalogTest, KeepsAnAccountForEachServer) {
  EXPECT_EQ(catalog_.account("https://a/")->has_value(), false);
  ASSERT_TRUE(
      catalog_.save_account({"https://a/", "https://a/acct/1", {"x@example.com"}, kNow, "print"}));
  const auto account = *catalog_.account("https://a/");
  ASSERT_TRUE(account);
  EXPECT_EQ(account->url, "https://a/acct/1");
  EXPECT_EQ(account->contacts, std::vector<std::string>{"x@example.com"});
  EXPECT_EQ(account->terms_agreed_at, kNow);
}

TEST_F(CatalogTest, KeepsCertificates) {
  CertificateRecord record = saved("a.example", kNow);
  EXPECT_NE(record.id, 0);
  record.method = Method::webroot;
  record.webroots = {"/var/www", "/srv"};
  record.last_error = "no\nluck";
  record.failures = 3;
  ASSERT_TRUE(catalog_.save_certificates({&record, 1}));
  const auto read = **catalog_.certificate("a.example");
  EXPECT_EQ(read.id, record.id);
  EXPECT_EQ(read.names, record.names);
  EXPECT_EQ(read.method, Method::webroot);
  EXPECT_EQ(read.webroots, record.webroots);
  EXPECT_EQ(read.last_error, "no\nluck");
  EXPECT_EQ(read.failures, 3);
  EXPECT_EQ(catalog_.certificate("b.example")->has_value(), false);
}

TEST_F(CatalogTest, FindsWhatIsDueOrUnfinished) {
  saved("due.example", kNow);
  saved("later.example", kNow + base::Seconds(1));
  const auto unfinished = saved("unfinished.example", kNow + base::Seconds(9));
  const VersionRecord version{unfinished.id, 1, VersionState::ready, "", {}, {}, "", "", {}};
  ASSERT_TRUE(catalog_.save_versions({&version, 1}));
  std::vector<std::string> names;
  const auto found = *catalog_.certificates_to_look_at(kNow);
  for (const CertificateRecord& record : found) names.push_back(record.name);
  std::ranges::sort(names);
  EXPECT_EQ(names, (std::vector<std::string>{"due.example", "unfinished.example"}));
  CertificateRecord waiting = saved("waiting.example", kNow);
  waiting.next_look = kNow + base::Seconds(5);
  ASSERT_TRUE(catalog_.save_certificates({&waiting, 1}));
  EXPECT_EQ(catalog_.certificates_to_look_at(kNow)->size(), 2u);
  ASSERT_EQ(catalog_.waiting_certificates(kNow)->size(), 1u);
  EXPECT_EQ(catalog_.waiting_certificates(kNow)->front().name, "waiting.example");
  const auto count = *catalog_.count(kNow);
  EXPECT_EQ(count.certificates, 4);
  EXPECT_EQ(count.next_renewal, kNow + base::Seconds(1));
  EXPECT_EQ(count.next_look, kNow);
}

TEST_F(CatalogTest, FindsWhatAWrongClockHasPutOff) {
  saved("tomorrow.example", kNow + std::chrono::days(1));
  EXPECT_TRUE(catalog_.certificates_to_look_at(kNow)->empty());
  saved("in-years.example", kNow + std::chrono::days(3650));
  const auto found = *catalog_.certificates_to_look_at(kNow);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].name, "in-years.example");
}

TEST_F(CatalogTest, KeepsWhenToRenew) {
  CertificateRecord record = saved("a.example", kNow + base::Seconds(9));
  record.renewal_id = "aYhb.AIdl";
  record.draw = ~0u;
  record.window = {kNow, kNow + base::Seconds(5), "https://ca.example/why"};
  record.ask_at = record.next_look = kNow + base::Seconds(1);
  record.covered = {"a.example"};
  record.failing = {{"www.a.example", 3, kNow, kNow + base::Seconds(2), "no \"A\" record"}};
  record.first_failure = kNow;
  ASSERT_TRUE(catalog_.save_certificates({&record, 1}));
  EXPECT_TRUE(catalog_.certificates_to_look_at(kNow)->empty());
  const auto found = *catalog_.certificates_to_look_at(kNow + base::Seconds(1));
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].renewal_id, "aYhb.AIdl");
  EXPECT_EQ(found[0].draw, ~0u);
  EXPECT_EQ(found[0].window.end, kNow + base::Seconds(5));
  EXPECT_EQ(found[0].window.explanation, "https://ca.example/why");
  EXPECT_EQ(found[0].first_failure, kNow);
  EXPECT_EQ(found[0].covered, record.covered);
  EXPECT_EQ(found[0].failing, record.failing);
  EXPECT_EQ(found[0].ask_at, record.ask_at);
}

TEST_F(CatalogTest, KeepsLimits) {
  ASSERT_TRUE(catalog_.save_limits({{"x", 5000}, {"y", 6001}, {"z", 9000}}, Time()));
  ASSERT_TRUE(catalog_.save_limits({{"y", 7000}}, Time(base::Seconds(5))));
  EXPECT_EQ(*catalog_.limits(), (Catalog::Limits{{"y", 7000}, {"z", 9000}}));
}

TEST_F(CatalogTest, FaultD9_AFailedPartOfATransactionIsNotInTheWhole) {
  auto whole = catalog_.begin();
  ASSERT_TRUE(whole && catalog_.save_limits({{"x", 5000}}, Time()));
  {
    const auto part = catalog_.begin();
    ASSERT_TRUE(part && catalog_.save_limits({{"y", 6000}}, Time()));
  }
  ASSERT_TRUE(whole->commit());
  EXPECT_EQ(*catalog_.limits(), (Catalog::Limits{{"x", 5000}}));
}

TEST_F(CatalogTest, LetsOneVersionBeLive) {
  auto record = saved("a.example", kNow);
  for (int number : {1, 2}) {
    const VersionRecord version{record.id, number, VersionState::live, "", {}, {}, "f", "", {}};
    record.version = number;
    ASSERT_TRUE(catalog_.make_live({&record, 1}, {&version, 1}));
  }
  EXPECT_EQ((*catalog_.version(record.id, VersionState::live))->number, 2);
  EXPECT_EQ((*catalog_.version(record.id, VersionState::old))->number, 1);
  EXPECT_EQ(catalog_.last_version(record.id), 2);
  EXPECT_EQ((*catalog_.certificate("a.example"))->version, 2);
}

TEST_F(CatalogTest, JournalsChanges) {
  const auto id = *catalog_.begin_change(kNow, "secure a.example", {"a.example"});
  const std::vector<ChangedFile> files = {{"/etc/nginx/a", std::string("old\0bytes", 9), "new"},
                                          {"/etc/nginx/b", std::nullopt, "made"},
                                          {"/etc/nginx/c", "removed", std::nullopt}};
  ASSERT_TRUE(catalog_.add_changed_files(id, files));
  const auto applying = *catalog_.last_change(ChangeState::applying);
  ASSERT_TRUE(applying);
  EXPECT_EQ(applying->id, id);
  ASSERT_EQ(applying->files.size(), 3u);
  EXPECT_EQ(applying->files[0].before, std::string("old\0bytes", 9));
  EXPECT_EQ(applying->files[1].before, std::nullopt);
  EXPECT_EQ(applying->files[2].after, std::nullopt);
  ASSERT_TRUE(catalog_.end_change(id, ChangeState::applied, {files.data(), 1}));
  EXPECT_FALSE(*catalog_.last_change(ChangeState::applying));
  EXPECT_EQ((*catalog_.change(id))->files.size(), 1u);
}

TEST_F(CatalogTest, RemembersIncidentsAndWhatFails) {
  const std::vector<IncidentRecord> incidents = {{"certificate a.example", "A", kNow, {}},
                                                 {"renew", "B", kNow, kNow}};
  ASSERT_TRUE(catalog_.save_incidents(incidents));
  ASSERT_TRUE(catalog_.save_incidents(std::span(incidents).last(1)));
  const auto found = catalog_.incidents();
  ASSERT_EQ(found->size(), 1u);
  EXPECT_EQ(found->front().key, "renew");
  EXPECT_EQ(found->front().headline, "B");
  const std::vector<IncidentRecord> more = {{"renew", "C", kNow, kNow}, {"other", "D", kNow, {}}};
  ASSERT_TRUE(catalog_.add_incidents(more));
  const auto both = catalog_.incidents();
  ASSERT_EQ(both->size(), 2u);
  EXPECT_TRUE(std::ranges::any_of(*both, [](const auto& each) { return each.headline == "C"; }));
  EXPECT_EQ(found->front().told_at, kNow);
  EXPECT_TRUE(catalog_.failing_certificates()->empty());
}

TEST_F(CatalogTest, KeepsTheLastEventsOfEachSubject) {
  std::vector<EventRecord> events(Catalog::kMostEvents + 5,
                                  EventRecord{kNow, "a.example", EventKind::failed, "no"});
  events.back().text = "last";
  events.push_back({kNow, "b.example", EventKind::taken_back, "other"});
  ASSERT_TRUE(catalog_.add_events(events));
  const auto all = *catalog_.events("a.example", 1000);
  ASSERT_EQ(all.size(), static_cast<std::size_t>(Catalog::kMostEvents));
  EXPECT_EQ(all.back().text, "last");
  EXPECT_EQ(catalog_.events("a.example", 2)->front().text, "no");
  const auto other = *catalog_.events("b.example", 20);
  ASSERT_EQ(other.size(), 1u);
  EXPECT_EQ(other[0].kind, EventKind::taken_back);
  EXPECT_EQ(other[0].at, kNow);
}

TEST_F(CatalogTest, RemembersWhatIsServed) {
  CertificateRecord first = saved("a.example", kNow), second = saved("b.example", kNow);
  const std::vector<ServedRecord> served = {
      {first.id, Sight::wrong, kNow, "old", kNow, {"127.0.0.1:443", "[::1]:443"}, "another"},
      {second.id, Sight::unreachable, kNow, "", {}, {}, "nobody"}};
  ASSERT_TRUE(catalog_.save_served(served));
  EXPECT_EQ(catalog_.served()->at(0).places, served[0].places);
  EXPECT_EQ(catalog_.served()->at(1).sight, Sight::unreachable);
  EXPECT_EQ(catalog_.served_troubles()->size(), 2u);

  first.in_nginx = true;
  first.fingerprint = "new";
  first.last_attempt = kNow + base::Seconds(1);
  second.in_nginx = false;
  std::vector<CertificateRecord> both = {first, second};
  ASSERT_TRUE(catalog_.make_live(both, {}));
  const auto after = *catalog_.served();
  ASSERT_EQ(after.size(), 1u) << "what is not in nginx is looked up nowhere";
  EXPECT_EQ(after[0].sight, Sight::right) << "it was proven";
  EXPECT_EQ(after[0].fingerprint, "new");
  EXPECT_EQ(after[0].problem, "");
  EXPECT_EQ(after[0].checked_at, kNow + base::Seconds(1));
  EXPECT_EQ(after[0].places, served[0].places);
  EXPECT_TRUE(catalog_.served_troubles()->empty());
}

TEST_F(CatalogTest, RemembersWhenThingsWereDone) {
  EXPECT_EQ(*catalog_.last(Moment::served_check), Time());
  ASSERT_TRUE(catalog_.save_last(Moment::served_check, kNow));
  ASSERT_TRUE(catalog_.save_last(Moment::served_check, kNow + base::Seconds(1)));
  EXPECT_EQ(*catalog_.last(Moment::served_check), kNow + base::Seconds(1));
  EXPECT_EQ(*catalog_.last(Moment::renewal_run), Time());
}

TEST_F(CatalogTest, FindsVersionsByWhatTheyAre) {
  const auto record = saved("a.example", kNow);
  const std::vector<VersionRecord> versions = {
      {record.id, 1, VersionState::old, "", {}, {}, "f1", "", {}},
      {record.id, 2, VersionState::ready, "", {}, {}, "f2", "", {}}};
  ASSERT_TRUE(catalog_.save_versions(versions));
  ASSERT_EQ(catalog_.unfinished_versions()->size(), 1u);
  EXPECT_EQ(catalog_.unfinished_versions()->front().number, 2);
  EXPECT_EQ((*catalog_.version_with(record.id, "f1"))->number, 1);
  EXPECT_FALSE(*catalog_.version_with(record.id, "f3"));
}

TEST_F(CatalogTest, RemembersChores) {
  EXPECT_EQ(catalog_.chore("hook", "x")->failures, 0);
  ChoreRecord chore{.kind = "hook", .subject = "x", .done_at = kNow, .done_for = "f"};
  ASSERT_TRUE(catalog_.save_chore(chore));
  EXPECT_TRUE(catalog_.failing_chores("hook")->empty());
  chore.failures = 2;
  chore.first_failure = kNow;
  chore.last_failure = kNow + base::Seconds(1);
  chore.last_error = "no";
  chore.next_attempt = kNow + base::Seconds(2);
  ASSERT_TRUE(catalog_.save_chore(chore));
  EXPECT_TRUE(catalog_.failing_chores("copy")->empty());
  const auto found = *catalog_.failing_chores("hook");
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].subject, "x");
  EXPECT_EQ(found[0].done_at, kNow);
  EXPECT_EQ(found[0].done_for, "f");
  EXPECT_EQ(found[0].first_failure, kNow);
  EXPECT_EQ(found[0].last_failure, kNow + base::Seconds(1));
  EXPECT_EQ(found[0].last_error, "no");
  EXPECT_EQ(found[0].next_attempt, kNow + base::Seconds(2));
  ASSERT_TRUE(catalog_.remove_chore(chore));
  EXPECT_TRUE(catalog_.chores("hook")->empty());
}

TEST_F(CatalogTest, KnowsWhatIsToBeHandedOver) {
  auto record = saved("a.example", kNow);
  EXPECT_TRUE(catalog_.certificates_to_hand_over("h")->empty()) << "nothing is live";
  record.version = 1;
  record.fingerprint = "f";
  ASSERT_TRUE(catalog_.save_certificates({&record, 1}));
  EXPECT_EQ(catalog_.certificates_to_hand_over("h")->size(), 1u);
  ASSERT_TRUE(catalog_.save_handed_over(record, "h"));
  EXPECT_TRUE(catalog_.certificates_to_hand_over("h")->empty());
  EXPECT_EQ(catalog_.certificates_to_hand_over("other")->size(), 1u);
  EXPECT_EQ(catalog_.has_certificate_of(record.server), true);
  EXPECT_EQ(catalog_.has_certificate_of("https://nobody/"), false);
}

TEST_F(CatalogTest, FaultD6_CallsWithinATransactionAreOne) {
  const auto change = catalog_.begin_change(kNow, "secure", {}),
             undoing = catalog_.begin_change(kNow, "undo", {});
  const auto both = [&]() -> Result<> {
    TRY(catalog_.set_change_state(*change, ChangeState::undone));
    return catalog_.end_change(*undoing, ChangeState::undone, {});
  };
  const auto states = [&] {
    return std::pair((*catalog_.change(*change))->state, (*catalog_.change(*undoing))->state);
  };
  const std::pair before(ChangeState::applying, ChangeState::applying);
  {
    const auto transaction = catalog_.begin();
    ASSERT_TRUE(transaction && both());
  }
  EXPECT_EQ(states(), before) << "nobody has committed it";
  auto transaction = catalog_.begin();
  ASSERT_TRUE(transaction && both() && transaction->commit());
  EXPECT_EQ(states(), std::pair(ChangeState::undone, ChangeState::undone));
}

}  // namespace
}  // namespace everseal::store
