// What we own and what happened, durably: accounts, certificates, versions, orders, changes,
// events. The schema is described in docs/formats.md.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/sqlite.h"
#include "store/salvage.h"

namespace everseal::store {

struct AccountRecord {
  std::string server;  // the CA's directory URL
  std::string url;     // the account's; empty until the CA has named it
  std::vector<std::string> contacts;
  std::optional<Time> terms_agreed_at;
  std::string thumbprint;  // of the account key; empty if an earlier version wrote this
};

// How a certificate's names are proven to the CA.
enum class Method { nginx, webroot, standalone };
std::string_view to_string(Method method);
Result<Method> parse_method(std::string_view text);

// A name that the CA found not to be ours in the latest attempts.
struct FailingName {
  std::string name;
  int failures = 0;  // in a row
  Time first{}, last{};
  std::string words;  // the CA's

  bool operator==(const FailingName&) const = default;
};

// A certificate that we keep: what was asked for, what is served, and how the attempts went.
struct CertificateRecord {
  std::int64_t id = 0;             // 0: not yet in the catalog
  std::string name;                // unique; names its directory
  std::vector<std::string> names;  // DNS names, the first is `name`
  std::string server;              // the CA's directory URL
  std::string key_type;            // crypto::to_string(KeyType)
  Method method = Method::nginx;
  std::vector<std::string> webroots;  // one for each of names, if method is webroot
  std::string preferred_chain;
  // Base64url of the certificate request (PKCS #10, DER) that is all we have of its key; empty: the
  // key is ours.
  std::string request;
  std::string beside;     // of which this is the second, with another kind of key; else empty
  bool in_nginx = false;  // a server of nginx was given it by us
  // What HAProxy was proven to show: "FINGERPRINT in DIRECTORY"; empty: nothing of this.
  std::string in_haproxy;

  // What has been given to programs and directories beside nginx: "FINGERPRINT by HOW"; empty:
  // nothing of this.
  std::string handed_over;

  int version = 0;  // the newest that was proven to be served (or, outside nginx, switched to)
  Time not_before{}, not_after{};
  Time key_since{};  // of the live version; 0: it is not ours
  Time renew_at{};
  std::string fingerprint;  // SHA-256 of the leaf's DER, hexadecimal
  std::string renewal_id;   // crypto::renewal_id(); empty if it is not known
  std::uint32_t draw = 0;   // of the live version: where in a window it is renewed, of 2^32 parts
  struct Window {           // that the CA suggested for renewing it; 0: none
    Time start{}, end{};
    std::string explanation{};  // URL
  };
  Window window{};
  Time ask_at{};  // when the CA may be asked for it

  int failures = 0;  // in a row
  Time first_failure{};
  std::string last_error;
  Time last_attempt{};
  Time next_attempt{};  // not before this moment, unless a person asks

  std::vector<std::string> covered;  // by the live version: of `names` those that were not left out
  std::vector<FailingName> failing;
  Time next_look{};  // when there is something to decide about it again
};

// Whether two records ask for the same: these names, in any order, of this CA, with this kind of
// key or by this request.
bool same_request(const CertificateRecord& one, const CertificateRecord& other);

enum class VersionState {
  pending,  // has a key; an order may be under way
  ready,    // complete on disk, not yet proven to be served
  live,
  old,
};

struct VersionRecord {
  std::int64_t certificate_id = 0;
  int number = 0;
  VersionState state = VersionState::pending;
  std::string order_url;  // of a pending version; empty until the CA has named it
  Time not_before{}, not_after{};
  std::string fingerprint;
  std::string renewal_id;
  std::vector<std::string> names;  // that it is for
  Time key_since{};                // 0: the key is not ours
};

// One file of a change to the nginx configuration.
struct ChangedFile {
  std::string path;
  std::optional<std::string> before;  // nullopt: there was none
  std::optional<std::string> after;   // nullopt: there is none
};

enum class ChangeState {
  applying,  // a run is at it, or was killed at it
  applied,
  restored,  // taken back in the same run
  undone,    // taken back by `everseal undo`, or the taking back itself
};
std::string_view to_string(ChangeState state);

struct ChangeRecord {
  std::int64_t id = 0;
  Time at{};
  ChangeState state = ChangeState::applying;
  std::string summary;
  std::vector<std::string> sites;  // that it was made for
  // In the order in which they were put in place. A file of a change that is being applied may be
  // listed once for each step that gave it another text.
  std::vector<ChangedFile> files;
};

// Something other than a certificate that has to be done again now and then, and how that went.
struct ChoreRecord {
  std::string kind{};      // "account key", "dhparam", "hook", "copy"
  std::string subject{};   // of one kind: a directory URL, a path, …
  Time done_at{};          // last; of a key: when it was made. 0: never, or it is not known
  std::string done_for{};  // what the last attempt was for; empty where that is always the same

  int failures = 0;  // in a row
  Time first_failure{}, last_failure{};
  std::string last_error{};
  Time next_attempt{};  // not before this moment, unless a person asks
};

// What happened to a certificate.
enum class EventKind {
  issued,      // by the CA; not yet served
  installed,   // live from now on
  failed,      // the CA, or what led to it; `text` has its words
  taken_back,  // issued, but what was live before is live again
  left_out,    // names without which it was renewed
  differs,     // something else is served than what is live
  agrees,      // no longer so
  unused,      // nginx does not refer to it any more
  damaged,     // its files on disk; what was done about it
};
std::string_view to_string(EventKind kind);

struct EventRecord {
  Time at{};
  std::string subject;  // the certificate's name
  EventKind kind = EventKind::issued;
  std::string text;  // one line, printable
};

// What was found where nginx serves a certificate.
enum class Sight {
  right,
  wrong,        // something else, at one place at least
  unreachable,  // nobody answers, at one place at least; nothing else was seen
  unused,       // nginx does not refer to it any more
};
std::string_view to_string(Sight sight);

struct ServedRecord {
  std::int64_t certificate_id = 0;
  Sight sight = Sight::right;
  Time checked_at{};
  // Of what is served; of what ends first where there are several. Empty: nothing was seen.
  std::string fingerprint{};
  Time not_after{};
  std::vector<std::string> places{};  // "[::1]:443"
  std::string problem{};              // lines; empty if it is right
};

// Something that is wrong, as long as it is, and when somebody heard of it last.
struct IncidentRecord {
  std::string key;
  std::string headline;
  Time since{};
  Time told_at{};     // 0: nobody has
  bool once = false;  // told once, never again: neither that it lasts nor that it is over
};

// Moments at which something was done last.
enum class Moment {
  renewal_run,   // `everseal renew` of all that is due
  served_check,  // of what is served
  names_check,   // of the names in nginx's configuration
  files_check,   // of the files of live certificates
};

// The database. Every call is one durable transaction unless said otherwise. One thread.
class Catalog {
 public:
  // To change it, under the state directory's lock. Makes the database if there is none, and brings
  // an older one's schema up to this one's. Errors: transient, internal; invalid if it is damaged
  // or was written by a newer Everseal.
  static Result<Catalog> open(const std::string& path);

  // To read it, whoever it belongs to; it is changed in nothing. What an older Everseal wrote is
  // read from a copy in memory.
  static Result<Catalog> open_to_read(const std::string& path);
  // Makes one transaction of all calls until it is committed: where two of them tell one truth.
  Result<base::Transaction> begin() { return base::Transaction::begin(database_); }

  // Takes over what can be read of the catalog at `path`, which may be damaged; this one is new.
  // Errors: those of store::salvage().
  Result<std::vector<Salvaged>> take_over(const std::string& path);

  // Errors: invalid with the remedy, if what is in it contradicts itself.
  Result<> check();
  // Whether no certificate is kept.
  Result<bool> is_empty();

  Result<std::optional<AccountRecord>> account(const std::string& server);
  Result<> save_account(const AccountRecord& account);
  // By server.
  Result<std::vector<AccountRecord>> accounts();
  // Whether any certificate comes from this CA.
  Result<bool> has_certificate_of(const std::string& server);
  Result<bool> has_certificate_in_nginx();

  Result<std::vector<CertificateRecord>> certificates();
  Result<std::vector<std::string>> certificate_names();  // in order
  Result<std::optional<CertificateRecord>> certificate(const std::string& name);
  Result<std::optional<CertificateRecord>> certificate(std::int64_t id);
  // Those whose next look has come, or is days away: a clock that was wrong has set it, as all are
  // looked at daily. And those of which a version is unfinished. The first to expire first.
  Result<std::vector<CertificateRecord>> certificates_to_look_at(Time now);
  // Those that are due, but whose next look has not come; the first to expire first.
  Result<std::vector<CertificateRecord>> waiting_certificates(Time now);
  // Those with a live version that HAProxy was not yet proven to show from that directory.
  Result<std::vector<CertificateRecord>> certificates_for_haproxy(const std::string& directory);
  Result<> save_in_haproxy(const CertificateRecord& certificate, const std::string& directory);
  // Those with a live version that was not yet given to all that `how` (a digest) stands for.
  Result<std::vector<CertificateRecord>> certificates_to_hand_over(const std::string& how);
  Result<> save_handed_over(const CertificateRecord& certificate, const std::string& how);
  struct Count {
    std::int64_t certificates = 0;
    std::optional<Time> next_renewal;  // the first after `now`
    std::optional<Time> next_look;
  };
  Result<Count> count(Time now);
  // Sets only when each is looked at next.
  Result<> save_next_looks(std::span<const CertificateRecord> certificates);
  // Inserts those without an id, which they are given; updates the others.
  Result<> save_certificates(std::span<CertificateRecord> certificates);

  // The newest version that is in this state.
  Result<std::optional<VersionRecord>> version(std::int64_t certificate_id, VersionState state);
  // All that are pending or ready.
  Result<std::vector<VersionRecord>> unfinished_versions();
  // The one of this certificate with this leaf.
  Result<std::optional<VersionRecord>> version_with(std::int64_t certificate_id,
                                                    const std::string& fingerprint);
  // The numbers of those that are old, the newest first.
  Result<std::vector<int>> old_versions(std::int64_t certificate_id);
  // The highest number ever used; 0 if there is none.
  Result<int> last_version(std::int64_t certificate_id);
  Result<> save_versions(std::span<const VersionRecord> versions);
  Result<> remove_version(std::int64_t certificate_id, int number);
  // The new version is live, what was live is old, and the certificate says so. One in nginx was
  // proven there: what was found before counts no longer.
  Result<> make_live(std::span<CertificateRecord> certificates,
                     std::span<const VersionRecord> versions);

  // Of the CAs: when each bucket is full again, in milliseconds since 1970 (renew::LimitLedger).
  using Limits = std::map<std::string, std::int64_t, std::less<>>;
  Result<Limits> limits();
  // Sets these, and forgets all that are full at `now`.
  Result<> save_limits(const Limits& changed, Time now);

  Result<std::int64_t> begin_change(Time at, const std::string& summary,
                                    const std::vector<std::string>& sites);
  // Appends files to a change, durable when it returns.
  Result<> add_changed_files(std::int64_t change, std::span<const ChangedFile> files);
  // Replaces a change's files by these and sets its state.
  Result<> end_change(std::int64_t change, ChangeState state, std::span<const ChangedFile> files);
  Result<> set_change_state(std::int64_t change, ChangeState state);
  Result<std::optional<ChangeRecord>> change(std::int64_t id);
  Result<std::optional<ChangeRecord>> last_change(ChangeState state);
  // All, the newest first.
  Result<std::vector<ChangeRecord>> changes();
  // The files in directories of this name ("everseal"), as the last change left each that was
  // neither taken back at once nor is under way; without `before`.
  Result<std::vector<ChangedFile>> last_files_in(const std::string& directory_name);

  // Those whose last attempt to renew has failed, or that do without a name; the first to expire
  // first.
  Result<std::vector<CertificateRecord>> failing_certificates();
  Result<std::vector<IncidentRecord>> incidents();
  // Replaces all of them.
  Result<> save_incidents(std::span<const IncidentRecord> incidents);
  // Adds these, or puts them in the place of those with their keys.
  Result<> add_incidents(std::span<const IncidentRecord> incidents);

  // One that was never done is in the catalog like one that is not.
  Result<ChoreRecord> chore(const std::string& kind, const std::string& subject);
  Result<std::vector<ChoreRecord>> chores(const std::string& kind);
  // Those whose last attempt has failed.
  Result<std::vector<ChoreRecord>> failing_chores(const std::string& kind);
  // When one of them may be tried again, the first.
  Result<std::optional<Time>> next_chore();
  Result<> save_chore(const ChoreRecord& chore);
  Result<> remove_chore(const ChoreRecord& chore);

  // The last kMostEvents of each subject are kept.
  static constexpr int kMostEvents = 200;
  Result<> add_events(std::span<const EventRecord> events);
  // The newest last.
  Result<std::vector<EventRecord>> events(const std::string& subject, int most);

  Result<std::vector<ServedRecord>> served();
  // Those that are not right.
  Result<std::vector<ServedRecord>> served_troubles();
  // Replaces all of them.
  Result<> save_served(std::span<const ServedRecord> served);

  // 0: never.
  Result<Time> last(Moment moment);
  Result<> save_last(Moment moment, Time at);

 private:
  explicit Catalog(base::Database database) : database_(std::move(database)) {}
  Result<std::optional<ChangeRecord>> read_change(base::Statement& rows);
  Result<std::vector<CertificateRecord>> read_certificates(base::Statement statement);
  static Result<std::vector<ChoreRecord>> read_chores(base::Statement rows);
  Result<> save_certificate(CertificateRecord& certificate);
  Result<> save_version(const VersionRecord& version);
  Result<std::vector<VersionRecord>> read_versions(base::Statement statement);
  Result<std::vector<ServedRecord>> read_served(base::Statement statement);
  Result<> enter_proof(const CertificateRecord& certificate);
  Result<> append_files(std::int64_t change, std::span<const ChangedFile> files);

  base::Database database_;
};

}  // namespace everseal::store
