#include "ca/ledger.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace everseal::ca {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

const Time kNow = *base::parse_rfc3339("2026-11-21T00:00:00Z");

class LedgerTest : public testing::Test {
 protected:
  Order added_order(std::vector<std::string> names, OrderStatus status = OrderStatus::pending) {
    Order order{.account = 1,
                .status = status,
                .names = std::move(names),
                .authorizations = {3, 4},
                .profile = "classic",
                .created_at = kNow,
                .expires = kNow + std::chrono::hours(1)};
    EXPECT_TRUE(ledger_.add(order));
    return order;
  }

  bool added_certificate(const std::string& serial, Time not_after = kNow + std::chrono::days(90)) {
    return *ledger_.add(CertificateRecord{.serial = serial,
                                          .account = 1,
                                          .order = 2,
                                          .issuer = "1",
                                          .der = std::string("\0der", 4),
                                          .key = "key",
                                          .not_before = kNow,
                                          .not_after = not_after});
  }

  Ledger ledger_ = *Ledger::open(":memory:");
};

TEST_F(LedgerTest, KeepsAccounts) {
  Account account{.jwk = "{}", .thumbprint = "print", .contacts = {"mailto:a@b", "mailto:c@d"}};
  ASSERT_TRUE(ledger_.add(account));
  account.status = AccountStatus::deactivated;
  account.thumbprint = "other";
  ASSERT_TRUE(ledger_.update(account));
  EXPECT_EQ(*ledger_.account_of_key("print"), std::nullopt);
  const auto found = **ledger_.account_of_key("other");
  EXPECT_EQ(found.id, account.id);
  EXPECT_EQ(found.status, AccountStatus::deactivated);
  EXPECT_THAT(found.contacts, ElementsAre("mailto:a@b", "mailto:c@d"));
  EXPECT_EQ(*ledger_.account(account.id + 1), std::nullopt);
  Account same_key{.thumbprint = "other"};
  EXPECT_FALSE(ledger_.add(same_key));
}

TEST_F(LedgerTest, KeepsOrders) {
  Order order = added_order({"a.com", "b.com"});
  order.status = OrderStatus::valid;
  order.serial = "0a";
  ASSERT_TRUE(ledger_.update(order));
  const auto found = **ledger_.order(order.id);
  EXPECT_EQ(found.status, OrderStatus::valid);
  EXPECT_THAT(found.names, ElementsAre("a.com", "b.com"));
  EXPECT_THAT(found.authorizations, ElementsAre(3, 4));
  EXPECT_EQ(found.expires, kNow + std::chrono::hours(1));
  EXPECT_EQ(found.not_before, std::nullopt);
  EXPECT_EQ(found.serial, "0a");
}

TEST_F(LedgerTest, FindsTheOpenOrderForTheSameNames) {
  const Order order = added_order({"a.com", "b.com"});
  const auto find = [&](std::vector<std::string> names, const char* profile, Time now) {
    const auto found = *ledger_.open_order(1, names, profile, now);
    return found ? found->id : 0;
  };
  EXPECT_EQ(find({"a.com", "b.com"}, "classic", kNow), order.id);
  EXPECT_EQ(find({"a.com"}, "classic", kNow), 0);
  EXPECT_EQ(find({"a.com", "b.com"}, "other", kNow), 0);
  EXPECT_EQ(find({"a.com", "b.com"}, "classic", order.expires), 0);
}

TEST_F(LedgerTest, ListsOrdersPageByPage) {
  std::vector<std::int64_t> ids;
  for (int i = 0; i < 5; i++) ids.push_back(added_order({"a.com"}).id);
  added_order({"b.com"}, OrderStatus::invalid);
  const auto first = *ledger_.orders(1, 0, 3);
  ASSERT_THAT(first, SizeIs(3));
  EXPECT_EQ(first[2].id, ids[2]);
  EXPECT_THAT(*ledger_.orders(1, ids[2], 3), SizeIs(2));
  EXPECT_THAT(*ledger_.orders(2, 0, 3), IsEmpty());
}

TEST_F(LedgerTest, FindsAuthorizationsThatAreValid) {
  Authorization authorization{.account = 1, .name = "a.com", .expires = kNow + base::Seconds(9)};
  ASSERT_TRUE(ledger_.add(authorization));
  const auto is_valid = [&](bool wildcard, Time now) {
    return ledger_.valid_authorization(1, "a.com", wildcard, now)->has_value();
  };
  EXPECT_FALSE(is_valid(false, kNow));
  authorization.status = AuthorizationStatus::valid;
  ASSERT_TRUE(ledger_.update(authorization));
  EXPECT_TRUE(is_valid(false, kNow));
  EXPECT_FALSE(is_valid(true, kNow));
  EXPECT_FALSE(is_valid(false, authorization.expires));
}

TEST_F(LedgerTest, KnowsWhatIsUndecided) {
  Authorization authorization{.account = 1, .name = "a.com"};
  ASSERT_TRUE(ledger_.add(authorization));
  EXPECT_THAT(*ledger_.undecided_authorizations(), IsEmpty());
  authorization.attempted = ChallengeType::dns_01;
  ASSERT_TRUE(ledger_.update(authorization));
  const auto undecided = *ledger_.undecided_authorizations();
  ASSERT_THAT(undecided, SizeIs(1));
  EXPECT_EQ(undecided[0].attempted, ChallengeType::dns_01);
}

TEST_F(LedgerTest, TakesNoSerialNumberTwice) {
  EXPECT_TRUE(added_certificate("0a"));
  EXPECT_FALSE(added_certificate("0a"));
  EXPECT_EQ((*ledger_.certificate("0a"))->der, std::string("\0der", 4));
  EXPECT_EQ(*ledger_.certificate("0b"), std::nullopt);
}

TEST_F(LedgerTest, KeepsRevocationsAndWhatFollowsFromThem) {
  added_certificate("0a");
  added_certificate("0b", kNow);
  for (const char* serial : {"0a", "0b"}) ASSERT_TRUE(ledger_.revoke(serial, kNow, 4));
  EXPECT_THAT(*ledger_.revoked_certificates("1", kNow), SizeIs(2));
  const auto later = *ledger_.revoked_certificates("1", kNow + base::Seconds(1));
  ASSERT_THAT(later, SizeIs(1));
  EXPECT_EQ(later[0].revoked_at, kNow);
  EXPECT_EQ(later[0].reason, 4);
  EXPECT_FALSE(*ledger_.is_compromised("key"));
  ASSERT_TRUE(ledger_.revoke("0a", kNow, 1));
  EXPECT_TRUE(*ledger_.is_compromised("key"));
}

TEST_F(LedgerTest, RenewalWindowsAreOfOneOrOfAll) {
  added_certificate("0a");
  added_certificate("0b");
  const auto explanation = [&](const char* serial) {
    const auto window = *ledger_.renewal_window(**ledger_.certificate(serial));
    return window ? window->explanation_url : "none";
  };
  ASSERT_TRUE(ledger_.set_renewal_window_of_all(kNow - base::Seconds(1), {kNow, kNow, "older"}));
  EXPECT_EQ(explanation("0a"), "none");
  ASSERT_TRUE(ledger_.set_renewal_window_of_all(kNow, {kNow, kNow, "all"}));
  ASSERT_TRUE(ledger_.set_renewal_window("0a", {kNow, kNow, "one"}));
  EXPECT_EQ(explanation("0a"), "one");
  EXPECT_EQ(explanation("0b"), "all");
}

TEST_F(LedgerTest, KeepsValues) {
  EXPECT_EQ(*ledger_.value("crl"), 0);
  ASSERT_TRUE(ledger_.set_value("crl", 7));
  EXPECT_EQ(*ledger_.value("crl"), 7);
}

TEST_F(LedgerTest, ForgetsWhatEndedWithoutACertificate) {
  const Order order = added_order({"a.com"});
  Order issued = added_order({"a.com"});
  issued.serial = "0a";
  ASSERT_TRUE(ledger_.update(issued));
  Authorization authorization{.account = 1, .expires = kNow};
  ASSERT_TRUE(ledger_.add(authorization));
  ASSERT_TRUE(ledger_.set_value("limit x", kNow.time_since_epoch().count() * 1000));
  ASSERT_TRUE(ledger_.set_value("crl", 1));
  ASSERT_TRUE(ledger_.forget(kNow + std::chrono::days(1)));
  EXPECT_EQ(*ledger_.order(order.id), std::nullopt);
  EXPECT_TRUE(ledger_.order(issued.id)->has_value());
  EXPECT_EQ(*ledger_.authorization(authorization.id), std::nullopt);
  EXPECT_EQ(*ledger_.value("limit x"), 0);
  EXPECT_EQ(*ledger_.value("crl"), 1);
}

class LedgerFile : public testing::Test {
 protected:
  ~LedgerFile() override {
    for (const char* end : {"", "-wal", "-shm"}) std::filesystem::remove(path_ + end);
  }
  const std::string path_ = testing::TempDir() + "everseal-ledger-" + std::to_string(getpid());
};

TEST_F(LedgerFile, KeepsWhatWasCommittedAndNothingElse) {
  Account account{.thumbprint = "committed"}, other{.thumbprint = "begun"};
  {
    Ledger ledger = *Ledger::open(path_);
    auto batch = *ledger.begin();
    ASSERT_TRUE(ledger.add(account));
    ASSERT_TRUE(batch.commit());
    auto second = *ledger.begin();
    ASSERT_TRUE(ledger.add(other));
  }
  Ledger ledger = *Ledger::open(path_);
  EXPECT_TRUE(ledger.account_of_key("committed")->has_value());
  EXPECT_FALSE(ledger.account_of_key("begun")->has_value());
}

TEST_F(LedgerFile, OfANewerVersionIsRefused) {
  {
    auto database = *base::Database::open(path_);
    ASSERT_TRUE(database.execute("PRAGMA user_version=99"));
  }
  const auto opened = Ledger::open(path_);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().message,
            path_ + " was made by a newer Everseal: its version is 99, not 2");
  EXPECT_EQ(opened.error().kind, ErrorKind::rejected);
}

TEST_F(LedgerFile, ThatIsDamagedIsSaidWithWhatHelps) {
  std::ofstream(path_) << std::string(20'000, 'x');
  const auto opened = Ledger::open(path_);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().kind, ErrorKind::invalid);
  EXPECT_THAT(opened.error().message, testing::EndsWith(kLedgerRemedy));
}

TEST_F(LedgerFile, ThatCannotBeOpenedIsNotDamaged) {
  std::filesystem::create_symlink("/dev/null", path_);
  const auto opened = Ledger::open(path_);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().kind, ErrorKind::internal);
  EXPECT_THAT(opened.error().message, testing::Not(testing::HasSubstr(kLedgerRemedy)));
}

// As the first version made it.
constexpr const char* kVersion1 = R"sql(
CREATE TABLE accounts (
  id INTEGER PRIMARY KEY AUTOINCREMENT, status TEXT NOT NULL, jwk TEXT NOT NULL,
  thumbprint TEXT NOT NULL UNIQUE, contacts TEXT NOT NULL, agreed_terms TEXT NOT NULL,
  external_account TEXT NOT NULL, created_at INTEGER NOT NULL
);
CREATE TABLE orders (
  id INTEGER PRIMARY KEY AUTOINCREMENT, account INTEGER NOT NULL, status TEXT NOT NULL,
  names TEXT NOT NULL, authorizations TEXT NOT NULL, profile TEXT NOT NULL,
  created_at INTEGER NOT NULL, expires INTEGER NOT NULL, not_before INTEGER NOT NULL,
  not_after INTEGER NOT NULL, serial TEXT NOT NULL, replaces TEXT NOT NULL, error TEXT NOT NULL
);
CREATE INDEX orders_by_account ON orders (account, id);
CREATE INDEX orders_open ON orders (account, names) WHERE status = 'pending';
CREATE INDEX orders_without_certificate ON orders (expires) WHERE serial = '';
CREATE TABLE authorizations (
  id INTEGER PRIMARY KEY AUTOINCREMENT, account INTEGER NOT NULL, name TEXT NOT NULL,
  wildcard INTEGER NOT NULL, status TEXT NOT NULL, expires INTEGER NOT NULL,
  reuse INTEGER NOT NULL, token TEXT NOT NULL, attempted TEXT NOT NULL,
  validated_at INTEGER NOT NULL, error TEXT NOT NULL
);
CREATE INDEX authorizations_valid ON authorizations (account, name, expires) WHERE status = 'valid';
CREATE INDEX authorizations_undecided ON authorizations (id)
  WHERE status = 'pending' AND attempted <> '';
CREATE INDEX authorizations_by_end ON authorizations (expires);
CREATE TABLE certificates (
  id INTEGER PRIMARY KEY, serial TEXT NOT NULL UNIQUE, account INTEGER NOT NULL,
  order_id INTEGER NOT NULL, issuer TEXT NOT NULL, der BLOB NOT NULL, key BLOB NOT NULL, not_before INTEGER NOT NULL,
  not_after INTEGER NOT NULL, revoked_at INTEGER, reason INTEGER NOT NULL,
  replaced_by INTEGER NOT NULL
);
CREATE INDEX certificates_revoked ON certificates (not_after) WHERE revoked_at IS NOT NULL;
CREATE INDEX certificates_compromised ON certificates (key) WHERE reason = 1;
CREATE TABLE renewal_windows (
  serial TEXT PRIMARY KEY, until INTEGER NOT NULL, start INTEGER NOT NULL, end INTEGER NOT NULL,
  explanation_url TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE "values" (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
PRAGMA user_version=1;
INSERT INTO orders (account, status, names, authorizations, profile, created_at, expires,
  not_before, not_after, serial, replaces, error)
  VALUES (1, 'pending', 'a.test', '1', 'classic', 1, 2, 0, 0, '', '', '');
INSERT INTO authorizations (account, name, wildcard, status, expires, reuse, token, attempted,
  validated_at, error) VALUES (1, 'a.test', 0, 'valid', 9, 9, 'token', 'http-01', 5, '');
)sql";

TEST_F(LedgerFile, OfTheFirstVersionIsTakenOver) {
  ASSERT_TRUE(base::Database::open(path_)->execute(kVersion1));
  for (int times = 0; times < 2; times++) {
    auto ledger = Ledger::open(path_);
    ASSERT_TRUE(ledger) << ledger.error().message;
    Order order = **ledger->order(1);
    EXPECT_EQ(order.names, (std::vector<std::string>{"a.test"}));
    EXPECT_EQ(order.request, "");
    order.request = std::string("\0der", 4);
    ASSERT_TRUE(ledger->update(order));
    EXPECT_EQ((*ledger->order(1))->request, order.request);
    order.request.clear();
    ASSERT_TRUE(ledger->update(order));
    EXPECT_EQ((*ledger->authorization(1))->caa_at, Time());
    EXPECT_EQ((*ledger->authorization(1))->validated_at, Time(base::Seconds(5)));
  }
}

}  // namespace
}  // namespace everseal::ca
