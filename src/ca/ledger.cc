#include "ca/ledger.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <ranges>

namespace everseal::ca {
namespace {

using base::Database;
using base::Statement;

constexpr std::int64_t kSchemaVersion = 2;

constexpr const char* kSchema = R"sql(
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
)sql";

// From version 1 to 2.
constexpr const char* kWithLooksAgain = R"sql(
ALTER TABLE orders ADD COLUMN request BLOB NOT NULL DEFAULT x'';
CREATE INDEX orders_processed ON orders (id) WHERE status = 'processing';
ALTER TABLE authorizations ADD COLUMN caa_at INTEGER NOT NULL DEFAULT 0;
)sql";

#define ACCOUNT_COLUMNS                                                                       \
  "SELECT id, status, jwk, thumbprint, contacts, agreed_terms, external_account, created_at " \
  "FROM accounts "
#define ORDER_COLUMNS                                                                             \
  "SELECT id, account, status, names, authorizations, profile, created_at, expires, not_before, " \
  "not_after, serial, replaces, error, request FROM orders "
#define AUTHORIZATION_COLUMNS                                                                    \
  "SELECT id, account, name, wildcard, status, expires, reuse, token, attempted, validated_at, " \
  "error, caa_at FROM authorizations "
#define CERTIFICATE_COLUMNS                                                                 \
  "SELECT serial, account, order_id, issuer, der, key, not_before, not_after, revoked_at, " \
  "reason, "                                                                                \
  "replaced_by FROM certificates "
#define RENEWAL_WINDOW_COLUMNS "(serial, until, start, end, explanation_url)"

constexpr std::array<std::string_view, 3> kAccountWords = {"valid", "deactivated", "revoked"};

// What was written by us: a word that is unknown is the last.
template <class Enum>
Enum from_word(std::string_view text, std::initializer_list<Enum> all) {
  const auto found = std::ranges::find(all, text, [](Enum each) { return to_string(each); });
  return found == all.end() ? *std::prev(all.end()) : *found;
}

std::vector<std::string> words(std::string_view text) {
  std::vector<std::string> found;
  for (const auto each : std::views::split(text, ' '))
    if (!each.empty()) found.emplace_back(std::string_view(each));
  return found;
}

std::string to_text(const std::vector<std::string>& all) {
  return fmt::format("{}", fmt::join(all, " "));
}

std::vector<std::int64_t> numbers(std::string_view text) {
  std::vector<std::int64_t> found;
  for (const std::string& word : words(text)) {
    found.emplace_back();
    std::from_chars(word.data(), word.data() + word.size(), found.back());
  }
  return found;
}

std::int64_t to_integer(Time time) { return time.time_since_epoch().count(); }
std::int64_t to_integer(const std::optional<Time>& time) { return time ? to_integer(*time) : 0; }
Time to_time(std::int64_t seconds) { return Time(base::Seconds(seconds)); }
std::optional<Time> to_optional_time(std::int64_t seconds) {
  return seconds == 0 ? std::nullopt : std::optional(to_time(seconds));
}

std::string_view to_text(const std::optional<ChallengeType>& type) {
  return type ? to_string(*type) : "";
}

struct Blob {
  std::string_view bytes;
};

void bind_value(Statement& to, int index, std::int64_t value) { to.bind(index, value); }
void bind_value(Statement& to, int index, std::string_view value) { to.bind(index, value); }
void bind_value(Statement& to, int index, Time value) { to.bind(index, to_integer(value)); }
void bind_value(Statement& to, int index, const std::optional<Time>& value) {
  to.bind(index, to_integer(value));
}
void bind_value(Statement& to, int index, Blob value) { to.bind_blob(index, value.bytes); }
void bind_value(Statement& to, int index, const std::vector<std::string>& value) {
  to.bind(index, to_text(value));
}
void bind_value(Statement& to, int index, const std::vector<std::int64_t>& value) {
  to.bind(index, fmt::format("{}", fmt::join(value, " ")));
}

Result<std::int64_t> version_of(Database& database) {
  auto version = TRY(database.prepare("PRAGMA user_version"));
  static_cast<void>(TRY(version.step()));
  return version.integer(0);
}

// A ledger of a million certificates would take long to look at; what is wrong with it shows when
// it is read.
Result<> check_whole(Database& database, const std::string& path) {
  constexpr std::int64_t kMostPages = 65'536;
  auto pages = TRY(database.prepare("PRAGMA page_count"));
  static_cast<void>(TRY(pages.step()));
  if (pages.integer(0) > kMostPages) return {};
  auto check = TRY(database.prepare("PRAGMA quick_check(1)"));
  static_cast<void>(TRY(check.step()));
  if (check.text(0) == "ok") return {};
  return base::invalid(fmt::format("{}: {}; {}", path, check.text(0), kLedgerRemedy));
}

}  // namespace

std::string_view to_string(AccountStatus status) {
  return kAccountWords[static_cast<std::size_t>(status)];
}

// A prepared statement while its rows are read.
class Ledger::Query {
 public:
  explicit Query(Statement& statement) : statement_(&statement) {}
  Query(Query&& other) noexcept : statement_(std::exchange(other.statement_, nullptr)) {}
  Query& operator=(Query&&) = delete;
  ~Query() {
    if (statement_) statement_->reset();
  }

  Result<bool> next() { return statement_->step(); }
  std::int64_t integer(int column) const { return statement_->integer(column); }
  std::string text(int column) const { return statement_->text(column); }
  Time time(int column) const { return to_time(integer(column)); }
  bool is_null(int column) const { return !statement_->blob(column); }

 private:
  Statement* statement_;
};

Ledger::Ledger(Database database) : database_(std::make_unique<Database>(std::move(database))) {}

Result<bool> Ledger::is_there(const FileReader& files, const std::string& path) {
  if (!base::exists(files, path)) return false;
  Database database = TRY(Database::open(path, kLedgerRemedy));
  return TRY(version_of(database)) > 0;
}

Result<bool> Ledger::has_certificates() {
  return TRY(ask("SELECT id FROM certificates LIMIT 1")).next();
}

Result<Ledger> Ledger::open(const std::string& path) {
  Ledger ledger(TRY(Database::open(path, kLedgerRemedy)));
  Database& database = *ledger.database_;
  TRY(database.execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL"));
  TRY(check_whole(database, path));
  const std::int64_t found = TRY(version_of(database));
  if (found > kSchemaVersion)
    return base::rejected(fmt::format("{} was made by a newer Everseal: its version is {}, not {}",
                                      path, found, kSchemaVersion));
  if (found == kSchemaVersion) return ledger;
  auto transaction = TRY(ledger.begin());
  if (found == 0) TRY(database.execute(kSchema));
  TRY(database.execute(kWithLooksAgain));
  TRY(database.execute(fmt::format("PRAGMA user_version={}", kSchemaVersion).c_str()));
  TRY(transaction.commit());
  return ledger;
}

template <class... Parameters>
Result<Ledger::Query> Ledger::ask(const char* sql, const Parameters&... parameters) {
  auto found = prepared_.find(sql);
  if (found == prepared_.end()) found = prepared_.emplace(sql, TRY(database_->prepare(sql))).first;
  int index = 0;
  (bind_value(found->second, ++index, parameters), ...);
  return Query(found->second);
}

template <class... Parameters>
Result<> Ledger::run(const char* sql, const Parameters&... parameters) {
  Query query = TRY(ask(sql, parameters...));
  static_cast<void>(TRY(query.next()));
  return {};
}

template <class Record>
Result<std::optional<Record>> Ledger::find(Result<Query> query, Record (*read)(const Query&)) {
  Query rows = TRY(std::move(query));
  if (!TRY(rows.next())) return std::nullopt;
  return read(rows);
}

template <class Record>
Result<std::vector<Record>> Ledger::list(Result<Query> query, Record (*read)(const Query&)) {
  Query rows = TRY(std::move(query));
  std::vector<Record> found;
  while (TRY(rows.next())) found.push_back(read(rows));
  return found;
}

Result<> Ledger::begin_request() { return run("SAVEPOINT request"); }
Result<> Ledger::keep_request() { return run("RELEASE request"); }

Result<> Ledger::undo_request() {
  TRY(run("ROLLBACK TO request"));
  return run("RELEASE request");
}

Account Ledger::read_account(const Query& row) {
  using enum AccountStatus;
  return {.id = row.integer(0),
          .status = from_word(row.text(1), {valid, deactivated, revoked}),
          .jwk = row.text(2),
          .thumbprint = row.text(3),
          .contacts = words(row.text(4)),
          .agreed_terms = row.text(5),
          .external_account = row.text(6),
          .created_at = row.time(7)};
}

Result<> Ledger::add(Account& account) {
  TRY(
      run("INSERT INTO accounts (status, jwk, thumbprint, contacts, agreed_terms, "
          "external_account, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
          to_string(account.status), account.jwk, account.thumbprint, account.contacts,
          account.agreed_terms, account.external_account, account.created_at));
  account.id = database_->last_id();
  return {};
}

Result<> Ledger::update(const Account& account) {
  return run(
      "UPDATE accounts SET status = ?1, jwk = ?2, thumbprint = ?3, contacts = ?4, "
      "agreed_terms = ?5 WHERE id = ?6",
      to_string(account.status), account.jwk, account.thumbprint, account.contacts,
      account.agreed_terms, account.id);
}

Result<std::optional<Account>> Ledger::account(std::int64_t id) {
  return find(ask(ACCOUNT_COLUMNS "WHERE id = ?1", id), read_account);
}

Result<std::optional<Account>> Ledger::account_of_key(std::string_view thumbprint) {
  return find(ask(ACCOUNT_COLUMNS "WHERE thumbprint = ?1", thumbprint), read_account);
}

Order Ledger::read_order(const Query& row) {
  using enum OrderStatus;
  return {.id = row.integer(0),
          .account = row.integer(1),
          .status = from_word(row.text(2), {pending, ready, processing, valid, invalid}),
          .names = words(row.text(3)),
          .authorizations = numbers(row.text(4)),
          .profile = row.text(5),
          .created_at = row.time(6),
          .expires = row.time(7),
          .not_before = to_optional_time(row.integer(8)),
          .not_after = to_optional_time(row.integer(9)),
          .request = row.text(13),
          .serial = row.text(10),
          .replaces = row.text(11),
          .error = row.text(12)};
}

Result<> Ledger::add(Order& order) {
  TRY(
      run("INSERT INTO orders (account, status, names, authorizations, profile, created_at, "
          "expires, not_before, not_after, serial, replaces, error, request) "
          "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
          order.account, to_string(order.status), order.names, order.authorizations, order.profile,
          order.created_at, order.expires, order.not_before, order.not_after, order.serial,
          order.replaces, order.error, Blob{order.request}));
  order.id = database_->last_id();
  return {};
}

Result<> Ledger::update(const Order& order) {
  return run("UPDATE orders SET status = ?1, serial = ?2, error = ?3, request = ?4 WHERE id = ?5",
             to_string(order.status), order.serial, order.error, Blob{order.request}, order.id);
}

Result<std::optional<Order>> Ledger::order(std::int64_t id) {
  return find(ask(ORDER_COLUMNS "WHERE id = ?1", id), read_order);
}

Result<std::optional<Order>> Ledger::open_order(std::int64_t account,
                                                const std::vector<std::string>& names,
                                                std::string_view profile, Time now) {
  return find(ask(ORDER_COLUMNS "WHERE account = ?1 AND names = ?2 AND status = 'pending' AND "
                                "profile = ?3 AND expires > ?4 ORDER BY id DESC LIMIT 1",
                  account, names, profile, now),
              read_order);
}

Result<std::vector<Order>> Ledger::processed_orders() {
  return list(ask(ORDER_COLUMNS "WHERE status = 'processing' ORDER BY id"), read_order);
}

// By the index of those that are processed, and not by that of all that the account ever had.
Result<std::vector<Order>> Ledger::processed_orders(std::int64_t account) {
  return list(
      ask(ORDER_COLUMNS "WHERE status = 'processing' AND +account = ?1 ORDER BY id", account),
      read_order);
}

Result<std::vector<Order>> Ledger::orders(std::int64_t account, std::int64_t after,
                                          std::size_t most) {
  return list(ask(ORDER_COLUMNS "WHERE account = ?1 AND id > ?2 AND status <> 'invalid' "
                                "ORDER BY id LIMIT ?3",
                  account, after, static_cast<std::int64_t>(most)),
              read_order);
}

Authorization Ledger::read_authorization(const Query& row) {
  using enum AuthorizationStatus;
  const auto type = parse_challenge_type(row.text(8));
  return {
      .id = row.integer(0),
      .account = row.integer(1),
      .name = row.text(2),
      .wildcard = row.integer(3) != 0,
      .status = from_word(row.text(4), {pending, valid, invalid, deactivated, expired, revoked}),
      .expires = row.time(5),
      .reuse = base::Seconds(row.integer(6)),
      .token = row.text(7),
      .attempted = type ? std::optional(*type) : std::nullopt,
      .validated_at = row.time(9),
      .caa_at = row.time(11),
      .error = row.text(10)};
}

Result<> Ledger::add(Authorization& authorization) {
  TRY(
      run("INSERT INTO authorizations (account, name, wildcard, status, expires, reuse, token, "
          "attempted, validated_at, error, caa_at) "
          "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
          authorization.account, authorization.name, std::int64_t{authorization.wildcard},
          to_string(authorization.status), authorization.expires, authorization.reuse.count(),
          authorization.token, to_text(authorization.attempted), authorization.validated_at,
          authorization.error, authorization.caa_at));
  authorization.id = database_->last_id();
  return {};
}

Result<> Ledger::update(const Authorization& authorization) {
  return run(
      "UPDATE authorizations SET status = ?1, expires = ?2, attempted = ?3, "
      "validated_at = ?4, error = ?5, caa_at = ?6 WHERE id = ?7",
      to_string(authorization.status), authorization.expires, to_text(authorization.attempted),
      authorization.validated_at, authorization.error, authorization.caa_at, authorization.id);
}

Result<std::optional<Authorization>> Ledger::authorization(std::int64_t id) {
  return find(ask(AUTHORIZATION_COLUMNS "WHERE id = ?1", id), read_authorization);
}

Result<std::optional<Authorization>> Ledger::valid_authorization(std::int64_t account,
                                                                 std::string_view name,
                                                                 bool wildcard, Time now) {
  return find(ask(AUTHORIZATION_COLUMNS "WHERE account = ?1 AND name = ?2 AND status = 'valid' "
                                        "AND expires > ?3 AND wildcard = ?4 "
                                        "ORDER BY expires DESC LIMIT 1",
                  account, name, now, std::int64_t{wildcard}),
              read_authorization);
}

Result<std::vector<Authorization>> Ledger::undecided_authorizations() {
  return list(ask(AUTHORIZATION_COLUMNS "WHERE status = 'pending' AND attempted <> ''"),
              read_authorization);
}

CertificateRecord Ledger::read_certificate(const Query& row) {
  return {.serial = row.text(0),
          .account = row.integer(1),
          .order = row.integer(2),
          .issuer = row.text(3),
          .der = row.text(4),
          .key = row.text(5),
          .not_before = row.time(6),
          .not_after = row.time(7),
          .revoked_at = row.is_null(8) ? std::nullopt : std::optional(row.time(8)),
          .reason = static_cast<int>(row.integer(9)),
          .replaced_by = row.integer(10)};
}

Result<bool> Ledger::add(const CertificateRecord& certificate) {
  Query added = TRY(ask(
      "INSERT INTO certificates (serial, account, order_id, issuer, der, key, not_before, "
      "not_after, revoked_at, reason, replaced_by) "
      "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, NULL, 0, 0) "
      "ON CONFLICT DO NOTHING RETURNING 1",
      certificate.serial, certificate.account, certificate.order, certificate.issuer,
      Blob{certificate.der}, Blob{certificate.key}, certificate.not_before, certificate.not_after));
  return added.next();
}

Result<std::optional<CertificateRecord>> Ledger::certificate(std::string_view serial) {
  return find(ask(CERTIFICATE_COLUMNS "WHERE serial = ?1", serial), read_certificate);
}

Result<> Ledger::revoke(std::string_view serial, Time at, int reason) {
  return run("UPDATE certificates SET revoked_at = ?1, reason = ?2 WHERE serial = ?3", at,
             std::int64_t{reason}, serial);
}

Result<> Ledger::set_replaced(std::string_view serial, std::int64_t order) {
  return run("UPDATE certificates SET replaced_by = ?1 WHERE serial = ?2", order, serial);
}

Result<std::vector<CertificateRecord>> Ledger::revoked_certificates(std::string_view issuer,
                                                                    Time now) {
  return list(ask(CERTIFICATE_COLUMNS "WHERE revoked_at IS NOT NULL AND not_after >= ?1 "
                                      "AND issuer = ?2 ORDER BY serial",
                  now, issuer),
              read_certificate);
}

Result<bool> Ledger::is_compromised(std::string_view key) {
  Query rows = TRY(ask("SELECT 1 FROM certificates WHERE key = ?1 AND reason = 1", Blob{key}));
  return rows.next();
}

Result<> Ledger::set_renewal_window(std::string_view serial, const RenewalWindow& window) {
  return run("INSERT OR REPLACE INTO renewal_windows " RENEWAL_WINDOW_COLUMNS
             " VALUES (?1, ?2, ?3, ?4, ?5)",
             serial, Time::max(), window.start, window.end, window.explanation_url);
}

Result<> Ledger::set_renewal_window_of_all(Time until, const RenewalWindow& window) {
  return run("INSERT OR REPLACE INTO renewal_windows " RENEWAL_WINDOW_COLUMNS
             " VALUES ('', ?1, ?2, ?3, ?4)",
             until, window.start, window.end, window.explanation_url);
}

Result<std::optional<RenewalWindow>> Ledger::renewal_window(const CertificateRecord& certificate) {
  Query rows =
      TRY(ask("SELECT start, end, explanation_url FROM renewal_windows "
              "WHERE serial IN (?1, '') AND until >= ?2 ORDER BY serial DESC LIMIT 1",
              certificate.serial, certificate.not_before));
  if (!TRY(rows.next())) return std::nullopt;
  return RenewalWindow{rows.time(0), rows.time(1), rows.text(2)};
}

Result<std::int64_t> Ledger::value(std::string_view name) {
  Query rows = TRY(ask("SELECT value FROM \"values\" WHERE name = ?1", name));
  return TRY(rows.next()) ? rows.integer(0) : 0;
}

Result<> Ledger::set_value(std::string_view name, std::int64_t value) {
  return run("INSERT OR REPLACE INTO \"values\" (name, value) VALUES (?1, ?2)", name, value);
}

Result<> Ledger::forget(Time before) {
  TRY(run("DELETE FROM orders WHERE serial = '' AND expires < ?1", before));
  TRY(run("DELETE FROM authorizations WHERE expires < ?1", before));
  return run("DELETE FROM \"values\" WHERE name GLOB 'limit *' AND value < ?1",
             to_integer(before) * 1000);
}

}  // namespace everseal::ca
