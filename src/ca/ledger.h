// What the CA must not forget: accounts, orders, authorizations, certificates.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "acme/resources.h"
#include "base/clock.h"
#include "base/file_system.h"
#include "base/result.h"
#include "base/sqlite.h"
#include "ca/validator.h"

namespace everseal::ca {

using acme::AuthorizationStatus;
using acme::OrderStatus;

enum class AccountStatus { valid, deactivated, revoked };
std::string_view to_string(AccountStatus status);

// RFC 8555 §7.1.2.
struct Account {
  std::int64_t id = 0;
  AccountStatus status = AccountStatus::valid;
  std::string jwk{};                    // public key, as crypto::PublicKey::jwk()
  std::string thumbprint{};             // of it; no two accounts have the same
  std::vector<std::string> contacts{};  // "mailto:…"; none holds a space
  std::string agreed_terms{};           // URL of the terms that were agreed to, or empty
  std::string external_account{};       // key id, or empty
  Time created_at{};
};

// RFC 8555 §7.1.3. Names are DNS names, also with "*." in front, or addresses.
struct Order {
  std::int64_t id = 0;
  std::int64_t account = 0;
  OrderStatus status = OrderStatus::pending;  // never `ready`: that follows from the authorizations
  std::vector<std::string> names{};           // sorted
  std::vector<std::int64_t> authorizations{};
  std::string profile{};
  Time created_at{}, expires{};
  std::optional<Time> not_before{}, not_after{};  // as they were asked for
  std::string request{};                          // what it is finalized with, DER; or empty
  std::string serial{};                           // of the certificate; empty until there is one
  std::string replaces{};  // identifier of another certificate (RFC 9773 §4.1), or empty
  std::string error{};     // problem document, or empty
};

// RFC 8555 §7.1.4. All its challenges have the one token.
struct Authorization {
  std::int64_t id = 0;
  std::int64_t account = 0;
  std::string name{};  // without "*."
  bool wildcard = false;
  AuthorizationStatus status = AuthorizationStatus::pending;
  Time expires{};
  base::Seconds reuse{};  // how long it stays valid once it is
  std::string token{};
  std::optional<ChallengeType> attempted{};  // the challenge that the client answered
  Time validated_at{};
  Time caa_at{};        // CAA was looked at last
  std::string error{};  // problem document of the attempt, or empty
};

struct CertificateRecord {
  std::string serial{};                 // lower-case hexadecimal, as crypto::Certificate::serial()
  std::int64_t account = 0, order = 0;  // 0: the CA's own
  std::string issuer{};                 // Intermediate::id()
  std::string der{};
  std::string key{};  // SHA-256 of its DER SubjectPublicKeyInfo, 32 bytes
  Time not_before{}, not_after{};
  std::optional<Time> revoked_at{};
  int reason = 0;                // RFC 5280 §5.3.1
  std::int64_t replaced_by = 0;  // an order; 0: none
};

// What renewal information says in place of the usual window (RFC 9773 §4.2).
struct RenewalWindow {
  Time start{}, end{};
  std::string explanation_url{};  // or empty
};

// What helps where the ledger is lost or damaged.
inline constexpr const char* kLedgerRemedy =
    "put it back from a backup (with ledger.db-wal, if there is one), or begin an empty one by "
    "--new-ledger: then accounts register anew, and what was issued cannot be revoked";

// All of it in one SQLite database. What is written between begin() and the commit is durable with
// the commit and not before: one fsync serves all requests that came together. Every function
// returns transient (a full disk), internal or, with the remedy, invalid (damaged) errors. Not for
// use by several threads.
class Ledger {
 public:
  // Makes it if it is missing; ":memory:" is a new one that nothing keeps. Errors: also rejected
  // (made by a newer Everseal).
  static Result<Ledger> open(const std::string& path);

  // Whether there is anything in it. A file without tables, as a copy of a ledger without the files
  // beside it can be, is none.
  static Result<bool> is_there(const FileReader& files, const std::string& path);

  // Whether a certificate was ever issued, the CA's own included.
  Result<bool> has_certificates();

  // Rolled back unless it is committed.
  Result<base::Transaction> begin() { return base::Transaction::begin(*database_); }

  // Within a transaction: what is written from begin_request() on stays with keep_request() and
  // goes with undo_request().
  Result<> begin_request();
  Result<> keep_request();
  Result<> undo_request();

  // Sets the id.
  Result<> add(Account& account);
  Result<> update(const Account& account);
  Result<std::optional<Account>> account(std::int64_t id);
  Result<std::optional<Account>> account_of_key(std::string_view thumbprint);

  // Sets the id.
  Result<> add(Order& order);
  Result<> update(const Order& order);
  Result<std::optional<Order>> order(std::int64_t id);
  // The newest pending order that has not expired: of this account, for exactly these names and
  // this profile.
  Result<std::optional<Order>> open_order(std::int64_t account,
                                          const std::vector<std::string>& names,
                                          std::string_view profile, Time now);
  // Those that are processed; of one account.
  Result<std::vector<Order>> processed_orders();
  Result<std::vector<Order>> processed_orders(std::int64_t account);
  // At most `most` orders that are not invalid and whose ids are greater than `after`, by id.
  Result<std::vector<Order>> orders(std::int64_t account, std::int64_t after, std::size_t most);

  // Sets the id.
  Result<> add(Authorization& authorization);
  Result<> update(const Authorization& authorization);
  Result<std::optional<Authorization>> authorization(std::int64_t id);
  // The one of this account for this name that was validated last and is still valid at `now`.
  Result<std::optional<Authorization>> valid_authorization(std::int64_t account,
                                                           std::string_view name, bool wildcard,
                                                           Time now);
  // Those whose challenge was answered and not yet decided.
  Result<std::vector<Authorization>> undecided_authorizations();

  // False if the serial number is taken: then nothing happened.
  Result<bool> add(const CertificateRecord& certificate);
  Result<std::optional<CertificateRecord>> certificate(std::string_view serial);
  Result<> revoke(std::string_view serial, Time at, int reason);
  Result<> set_replaced(std::string_view serial, std::int64_t order);
  // Those of one issuer that have not expired at `now`, by serial number.
  Result<std::vector<CertificateRecord>> revoked_certificates(std::string_view issuer, Time now);
  // Whether a certificate with this key (CertificateRecord::key) was revoked because the key is
  // known to others.
  Result<bool> is_compromised(std::string_view key);

  // In place of the usual window: of one certificate, or of all that begin until `until` and have
  // none of their own.
  Result<> set_renewal_window(std::string_view serial, const RenewalWindow& window);
  Result<> set_renewal_window_of_all(Time until, const RenewalWindow& window);
  Result<std::optional<RenewalWindow>> renewal_window(const CertificateRecord& certificate);

  // Values by name, 0 where none was set: counters, and moments in milliseconds since 1970.
  Result<std::int64_t> value(std::string_view name);
  Result<> set_value(std::string_view name, std::int64_t value);

  // Brings into the database what is only in the log beside it, for whoever copies the one file.
  Result<> checkpoint() { return database_->checkpoint(); }

  // Forgets orders without a certificate, authorizations and limits that ended before `before`.
  Result<> forget(Time before);

 private:
  class Query;
  explicit Ledger(base::Database database);
  template <class... Parameters>
  Result<Query> ask(const char* sql, const Parameters&... parameters);
  template <class... Parameters>
  Result<> run(const char* sql, const Parameters&... parameters);
  template <class Record>
  Result<std::optional<Record>> find(Result<Query> query, Record (*read)(const Query&));
  template <class Record>
  Result<std::vector<Record>> list(Result<Query> query, Record (*read)(const Query&));

  static Account read_account(const Query& row);
  static Order read_order(const Query& row);
  static Authorization read_authorization(const Query& row);
  static CertificateRecord read_certificate(const Query& row);

  std::unique_ptr<base::Database> database_;         // does not move: transactions refer to it
  std::map<const char*, base::Statement> prepared_;  // by the address of their text
};

}  // namespace everseal::ca
