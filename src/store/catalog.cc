#include "store/catalog.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "store/columns.h"
#include "store/schema.h"

namespace everseal::store {
namespace {

using base::Database;
using base::Statement;
using base::Transaction;

constexpr base::Seconds kTooFar = std::chrono::days(2);  // for a next look

constexpr std::string_view kAccountColumns = "server, url, contacts, terms_agreed_at, thumbprint";

constexpr std::string_view kCertificateColumns =
    "id, name, names, server, key_type, method, webroots, preferred_chain, in_nginx, version, "
    "not_before, not_after, renew_at, fingerprint, failures, last_error, last_attempt, "
    "next_attempt, in_haproxy, beside, renewal_id, draw, window_start, window_end, "
    "window_explanation, ask_at, first_failure, covered, failing, next_look, request, handed_over, "
    "key_since";

constexpr std::string_view kVersionColumns =
    "certificate_id, number, state, order_url, not_before, not_after, fingerprint, renewal_id, "
    "names, key_since";

std::string to_json(const std::vector<FailingName>& failing) {
  auto array = nlohmann::json::array();
  for (const FailingName& each : failing)
    array.push_back({{"name", each.name},
                     {"failures", each.failures},
                     {"first", to_integer(each.first)},
                     {"last", to_integer(each.last)},
                     {"words", each.words}});
  return array.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::vector<FailingName> failing_from_json(const std::string& text) {
  std::vector<FailingName> failing;
  const auto array = nlohmann::json::parse(text, nullptr, false);
  if (!array.is_array()) return failing;
  for (const auto& each : array) {
    const auto word = [&](const char* key) {
      const auto found = each.find(key);
      return found != each.end() && found->is_string() ? found->get<std::string>() : "";
    };
    const auto number = [&](const char* key) {
      const auto found = each.find(key);
      return found != each.end() && found->is_number_integer() ? found->get<std::int64_t>() : 0;
    };
    failing.push_back({.name = word("name"),
                       .failures = static_cast<int>(number("failures")),
                       .first = to_time(number("first")),
                       .last = to_time(number("last")),
                       .words = word("words")});
  }
  return failing;
}

std::string_view to_string(VersionState state) {
  return kVersionStates[static_cast<std::size_t>(state)];
}

// All columns of those that `rest` ("WHERE … ORDER BY …") leaves.
Result<Statement> select_certificates(Database& database, std::string_view rest) {
  return database.prepare(fmt::format("SELECT {} FROM certificates {}", kCertificateColumns, rest));
}

Result<Statement> select_versions(Database& database, std::string_view rest) {
  return database.prepare(fmt::format("SELECT {} FROM versions {}", kVersionColumns, rest));
}

}  // namespace

std::string_view to_string(Method method) { return kMethods[static_cast<std::size_t>(method)]; }
Result<Method> parse_method(std::string_view text) { return from_word<Method>(kMethods, text); }

bool same_request(const CertificateRecord& one, const CertificateRecord& other) {
  return one.server == other.server && one.key_type == other.key_type &&
         one.request == other.request && std::ranges::is_permutation(one.names, other.names);
}

Result<Catalog> Catalog::open(const std::string& path) {
  const std::string attempt = fmt::format("open {}", path);
  Catalog catalog(TRY(Database::open(path, kRemedy)));
  // A commit is durable when it returns: the commit protocol rests on it.
  TRY(
      catalog.database_.execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; "
                                "PRAGMA wal_autocheckpoint=100;"));
  TRY(within(attempt, migrate(catalog.database_)));
  return catalog;
}

Result<Catalog> Catalog::open_to_read(const std::string& path) {
  const std::string attempt = fmt::format("open {}", path);
  Catalog catalog(TRY(Database::open_to_read(path, kRemedy)));
  if (TRY(within(attempt, find_schema(catalog.database_))) == schema_version()) return catalog;
  catalog.database_ = TRY(catalog.database_.copy_to_memory());
  TRY(within(attempt, migrate(catalog.database_)));
  return catalog;
}

Result<std::vector<Salvaged>> Catalog::take_over(const std::string& path) {
  return salvage(path, database_);
}

Result<> Catalog::check() {
  Statement rows = TRY(database_.prepare("PRAGMA quick_check(1)"));
  if (TRY(rows.step()) && rows.text(0) == "ok") return {};
  return base::invalid(fmt::format("the catalog is damaged: {}; {}", rows.text(0), kRemedy));
}

Result<bool> Catalog::is_empty() {
  Statement rows = TRY(database_.prepare("SELECT 1 FROM certificates LIMIT 1"));
  return !TRY(rows.step());
}

Result<std::optional<AccountRecord>> Catalog::account(const std::string& server) {
  Statement rows = TRY(
      database_.prepare(fmt::format("SELECT {} FROM accounts WHERE server = ?", kAccountColumns)));
  rows.bind(1, server);
  if (!TRY(rows.step())) return std::nullopt;
  AccountRecord account{rows.text(0), rows.text(1), from_json(rows.text(2)), std::nullopt,
                        rows.text(4)};
  if (rows.integer(3) > 0) account.terms_agreed_at = to_time(rows.integer(3));
  return account;
}

Result<> Catalog::save_account(const AccountRecord& account) {
  Statement insert = TRY(database_.prepare(replace_into("accounts", kAccountColumns)));
  insert.bind(1, account.server).bind(2, account.url).bind(3, to_json(account.contacts));
  insert.bind(4, account.terms_agreed_at ? to_integer(*account.terms_agreed_at) : 0);
  insert.bind(5, account.thumbprint);
  return insert.run();
}

Result<std::vector<CertificateRecord>> Catalog::certificates() {
  return read_certificates(TRY(select_certificates(database_, "ORDER BY name")));
}

Result<std::optional<CertificateRecord>> Catalog::certificate(const std::string& name) {
  Statement rows = TRY(select_certificates(database_, "WHERE name = ?"));
  rows.bind(1, name);
  return first(TRY(read_certificates(std::move(rows))));
}

Result<std::optional<CertificateRecord>> Catalog::certificate(std::int64_t id) {
  Statement rows = TRY(select_certificates(database_, "WHERE id = ?"));
  rows.bind(1, id);
  return first(TRY(read_certificates(std::move(rows))));
}

Result<std::vector<CertificateRecord>> Catalog::certificates_to_look_at(Time now) {
  Statement rows =
      TRY(select_certificates(database_,
                              "WHERE next_look <= ?1 OR next_look > ?2 OR id IN "
                              "(SELECT certificate_id FROM versions "
                              "WHERE state IN ('pending', 'ready')) ORDER BY not_after"));
  rows.bind(1, to_integer(now)).bind(2, to_integer(now + kTooFar));
  return read_certificates(std::move(rows));
}

// The plus keeps SQLite from the index of next looks, most of which are to come.
Result<std::vector<CertificateRecord>> Catalog::waiting_certificates(Time now) {
  Statement rows = TRY(select_certificates(
      database_,
      "WHERE renew_at <= ?1 AND +next_look > ?1 AND id NOT IN (SELECT certificate_id "
      "FROM versions WHERE state IN ('pending', 'ready')) ORDER BY not_after"));
  rows.bind(1, to_integer(now));
  return read_certificates(std::move(rows));
}

Result<std::vector<CertificateRecord>> Catalog::failing_certificates() {
  return read_certificates(TRY(
      select_certificates(database_, "WHERE failures > 0 OR failing <> '[]' ORDER BY not_after")));
}

Result<std::vector<CertificateRecord>> Catalog::certificates_for_haproxy(
    const std::string& directory) {
  Statement rows = TRY(select_certificates(
      database_, "WHERE version > 0 AND in_haproxy <> fingerprint || ' in ' || ? ORDER BY id"));
  rows.bind(1, directory);
  return read_certificates(std::move(rows));
}

Result<> Catalog::save_in_haproxy(const CertificateRecord& certificate,
                                  const std::string& directory) {
  Statement update = TRY(database_.prepare(
      "UPDATE certificates SET in_haproxy = fingerprint || ' in ' || ? WHERE id = ?"));
  update.bind(1, directory).bind(2, certificate.id);
  return update.run();
}

Result<std::vector<CertificateRecord>> Catalog::certificates_to_hand_over(const std::string& how) {
  Statement rows = TRY(select_certificates(
      database_, "WHERE version > 0 AND handed_over <> fingerprint || ' by ' || ? ORDER BY id"));
  rows.bind(1, how);
  return read_certificates(std::move(rows));
}

Result<> Catalog::save_handed_over(const CertificateRecord& certificate, const std::string& how) {
  Statement update = TRY(database_.prepare(
      "UPDATE certificates SET handed_over = fingerprint || ' by ' || ? WHERE id = ?"));
  update.bind(1, how).bind(2, certificate.id);
  return update.run();
}

Result<std::vector<AccountRecord>> Catalog::accounts() {
  Statement rows = TRY(database_.prepare("SELECT server FROM accounts ORDER BY server"));
  std::vector<AccountRecord> found;
  while (TRY(rows.step()))
    if (auto each = TRY(account(rows.text(0)))) found.push_back(*std::move(each));
  return found;
}

Result<bool> Catalog::has_certificate_of(const std::string& server) {
  Statement rows = TRY(database_.prepare("SELECT 1 FROM certificates WHERE server = ? LIMIT 1"));
  rows.bind(1, server);
  return rows.step();
}

Result<Catalog::Count> Catalog::count(Time now) {
  Statement rows = TRY(
      database_.prepare("SELECT (SELECT count(*) FROM certificates),"
                        "ifnull((SELECT min(renew_at) FROM certificates WHERE renew_at > ?1), ?2), "
                        "ifnull((SELECT min(next_look) FROM certificates), ?2)"));
  rows.bind(1, to_integer(now)).bind(2, to_integer(Time::max()));
  static_cast<void>(TRY(rows.step()));
  const auto moment = [&](int column) {
    const Time time = to_time(rows.integer(column));
    return time == Time::max() ? std::nullopt : std::optional(time);
  };
  return Count{rows.integer(0), moment(1), moment(2)};
}

Result<> Catalog::save_next_looks(std::span<const CertificateRecord> certificates) {
  Transaction transaction = TRY(Transaction::begin(database_));
  Statement update = TRY(database_.prepare("UPDATE certificates SET next_look = ? WHERE id = ?"));
  for (const CertificateRecord& each : certificates)
    TRY(update.bind(1, to_integer(each.next_look)).bind(2, each.id).run());
  return transaction.commit();
}

Result<std::vector<CertificateRecord>> Catalog::read_certificates(Statement rows) {
  std::vector<CertificateRecord> found;
  while (TRY(rows.step())) {
    CertificateRecord& record = found.emplace_back();
    record.id = rows.integer(0);
    record.name = rows.text(1);
    record.names = from_json(rows.text(2));
    record.server = rows.text(3);
    record.key_type = rows.text(4);
    record.method = TRY(parse_method(rows.text(5)));
    record.webroots = from_json(rows.text(6));
    record.preferred_chain = rows.text(7);
    record.in_nginx = rows.integer(8) != 0;
    record.version = static_cast<int>(rows.integer(9));
    record.not_before = to_time(rows.integer(10));
    record.not_after = to_time(rows.integer(11));
    record.renew_at = to_time(rows.integer(12));
    record.fingerprint = rows.text(13);
    record.failures = static_cast<int>(rows.integer(14));
    record.last_error = rows.text(15);
    record.last_attempt = to_time(rows.integer(16));
    record.next_attempt = to_time(rows.integer(17));
    record.in_haproxy = rows.text(18);
    record.beside = rows.text(19);
    record.renewal_id = rows.text(20);
    record.draw = static_cast<std::uint32_t>(rows.integer(21));
    record.window = {to_time(rows.integer(22)), to_time(rows.integer(23)), rows.text(24)};
    record.ask_at = to_time(rows.integer(25));
    record.first_failure = to_time(rows.integer(26));
    record.covered = from_json(rows.text(27));
    record.failing = failing_from_json(rows.text(28));
    record.next_look = to_time(rows.integer(29));
    record.request = rows.text(30);
    record.handed_over = rows.text(31);
    record.key_since = to_time(rows.integer(32));
  }
  return found;
}

Result<> Catalog::save_certificates(std::span<CertificateRecord> certificates) {
  Transaction transaction = TRY(Transaction::begin(database_));
  for (CertificateRecord& certificate : certificates) TRY(save_certificate(certificate));
  return transaction.commit();
}

Result<> Catalog::save_certificate(CertificateRecord& record) {
  Statement insert = TRY(database_.prepare(replace_into("certificates", kCertificateColumns)));
  if (record.id != 0) insert.bind(1, record.id);
  insert.bind(2, record.name).bind(3, to_json(record.names)).bind(4, record.server);
  insert.bind(5, record.key_type)
      .bind(6, to_string(record.method))
      .bind(7, to_json(record.webroots));
  insert.bind(8, record.preferred_chain).bind(9, std::int64_t{record.in_nginx});
  insert.bind(10, std::int64_t{record.version}).bind(11, to_integer(record.not_before));
  insert.bind(12, to_integer(record.not_after)).bind(13, to_integer(record.renew_at));
  insert.bind(14, record.fingerprint).bind(15, std::int64_t{record.failures});
  insert.bind(16, record.last_error).bind(17, to_integer(record.last_attempt));
  insert.bind(18, to_integer(record.next_attempt))
      .bind(19, record.in_haproxy)
      .bind(20, record.beside)
      .bind(21, record.renewal_id);
  insert.bind(22, std::int64_t{record.draw}).bind(23, to_integer(record.window.start));
  insert.bind(24, to_integer(record.window.end)).bind(25, record.window.explanation);
  insert.bind(26, to_integer(record.ask_at)).bind(27, to_integer(record.first_failure));
  insert.bind(28, to_json(record.covered)).bind(29, to_json(record.failing));
  insert.bind(30, to_integer(record.next_look));
  insert.bind(31, record.request).bind(32, record.handed_over);
  insert.bind(33, to_integer(record.key_since));
  TRY(insert.run());
  if (record.id == 0) record.id = database_.last_id();
  return {};
}

Result<std::optional<VersionRecord>> Catalog::version(std::int64_t certificate_id,
                                                      VersionState state) {
  Statement rows = TRY(select_versions(
      database_, "WHERE certificate_id = ? AND state = ? ORDER BY number DESC LIMIT 1"));
  rows.bind(1, certificate_id).bind(2, to_string(state));
  return first(TRY(read_versions(std::move(rows))));
}

Result<std::vector<VersionRecord>> Catalog::unfinished_versions() {
  return read_versions(TRY(select_versions(database_, "WHERE state IN ('pending', 'ready')")));
}

Result<std::optional<VersionRecord>> Catalog::version_with(std::int64_t certificate_id,
                                                           const std::string& fingerprint) {
  Statement rows = TRY(select_versions(database_, "WHERE certificate_id = ? AND fingerprint = ?"));
  rows.bind(1, certificate_id).bind(2, fingerprint);
  return first(TRY(read_versions(std::move(rows))));
}

Result<std::vector<VersionRecord>> Catalog::read_versions(Statement rows) {
  std::vector<VersionRecord> found;
  while (TRY(rows.step()))
    found.push_back({rows.integer(0), static_cast<int>(rows.integer(1)),
                     TRY(from_word<VersionState>(kVersionStates, rows.text(2))), rows.text(3),
                     to_time(rows.integer(4)), to_time(rows.integer(5)), rows.text(6), rows.text(7),
                     from_json(rows.text(8)), to_time(rows.integer(9))});
  return found;
}

Result<bool> Catalog::has_certificate_in_nginx() {
  Statement rows = TRY(database_.prepare("SELECT 1 FROM certificates WHERE in_nginx LIMIT 1"));
  return rows.step();
}

Result<std::vector<std::string>> Catalog::certificate_names() {
  Statement rows = TRY(database_.prepare("SELECT name FROM certificates ORDER BY name"));
  std::vector<std::string> names;
  while (TRY(rows.step())) names.push_back(rows.text(0));
  return names;
}

Result<std::vector<int>> Catalog::old_versions(std::int64_t certificate_id) {
  Statement rows = TRY(
      database_.prepare("SELECT number FROM versions WHERE certificate_id = ? AND state = 'old' "
                        "ORDER BY number DESC"));
  rows.bind(1, certificate_id);
  std::vector<int> numbers;
  while (TRY(rows.step())) numbers.push_back(static_cast<int>(rows.integer(0)));
  return numbers;
}

Result<int> Catalog::last_version(std::int64_t certificate_id) {
  Statement rows =
      TRY(database_.prepare("SELECT max(number) FROM versions WHERE certificate_id = ?"));
  rows.bind(1, certificate_id);
  static_cast<void>(TRY(rows.step()));
  return static_cast<int>(rows.integer(0));
}

Result<> Catalog::save_versions(std::span<const VersionRecord> versions) {
  Transaction transaction = TRY(Transaction::begin(database_));
  for (const VersionRecord& version : versions) TRY(save_version(version));
  return transaction.commit();
}

Result<> Catalog::save_version(const VersionRecord& version) {
  Statement insert = TRY(database_.prepare(replace_into("versions", kVersionColumns)));
  insert.bind(1, version.certificate_id).bind(2, std::int64_t{version.number});
  insert.bind(3, to_string(version.state)).bind(4, version.order_url);
  insert.bind(5, to_integer(version.not_before)).bind(6, to_integer(version.not_after));
  insert.bind(7, version.fingerprint).bind(8, version.renewal_id).bind(9, to_json(version.names));
  insert.bind(10, to_integer(version.key_since));
  return insert.run();
}

Result<> Catalog::remove_version(std::int64_t certificate_id, int number) {
  Statement remove =
      TRY(database_.prepare("DELETE FROM versions WHERE certificate_id = ? AND number = ?"));
  return remove.bind(1, certificate_id).bind(2, std::int64_t{number}).run();
}

Result<> Catalog::make_live(std::span<CertificateRecord> certificates,
                            std::span<const VersionRecord> versions) {
  Transaction transaction = TRY(Transaction::begin(database_));
  Statement retire = TRY(database_.prepare(
      "UPDATE versions SET state = 'old' WHERE certificate_id = ? AND state = 'live'"));
  for (const VersionRecord& version : versions) {
    TRY(retire.bind(1, version.certificate_id).run());
    TRY(save_version(version));
  }
  for (CertificateRecord& certificate : certificates) {
    TRY(save_certificate(certificate));
    TRY(enter_proof(certificate));
  }
  return transaction.commit();
}

Result<> Catalog::enter_proof(const CertificateRecord& certificate) {
  Statement update = TRY(database_.prepare(
      certificate.in_nginx
          ? "UPDATE served SET sight = 'right', problem = '', checked_at = ?2, fingerprint = ?3, "
            "not_after = ?4 WHERE certificate_id = ?1"
          : "DELETE FROM served WHERE certificate_id = ?1"));
  update.bind(1, certificate.id);
  if (certificate.in_nginx)
    update.bind(2, to_integer(certificate.last_attempt))
        .bind(3, certificate.fingerprint)
        .bind(4, to_integer(certificate.not_after));
  return update.run();
}

}  // namespace everseal::store
