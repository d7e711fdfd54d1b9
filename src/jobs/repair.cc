#include "jobs/repair.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <set>

#include "base/domain_name.h"
#include "base/encoding.h"
#include "jobs/activation.h"
#include "jobs/ended_changes.h"
#include "jobs/kept.h"
#include "jobs/named.h"
#include "jobs/server.h"
#include "jobs/unused_path.h"
#include "store/account_keys.h"
#include "store/note.h"

namespace everseal::jobs {
namespace {

using store::CertificateRecord;
using store::VersionRecord;
using store::VersionState;

using Facts = std::map<int, crypto::LeafFacts>;  // by version

// What the leaf of a complete version says; nullopt if no file of it holds one.
Result<std::optional<crypto::LeafFacts>> read_leaf(crypto::Verifier& verifier,
                                                   const store::CertificateStore& certificates,
                                                   const std::string& name, int version) {
  for (const char* file : {"cert.pem", "fullchain.pem"}) {
    const auto pem = certificates.read(name, version, file);
    if (!pem && pem.error().kind == ErrorKind::not_found) continue;
    if (!pem) return std::unexpected(pem.error());
    auto leaf = verifier.inspect(*pem);
    if (leaf) return *std::move(leaf);
    if (leaf.error().kind != ErrorKind::invalid) return std::unexpected(leaf.error());
  }
  return std::nullopt;
}

Result<Facts> read_versions(const Environment& environment,
                            const store::CertificateStore& certificates, const std::string& name) {
  crypto::Verifier* const verifier = TRY(environment.workers.verifier());
  Facts facts;
  for (const int number : TRY(certificates.versions(name)).complete)
    if (auto leaf = TRY(read_leaf(*verifier, certificates, name, number)))
      facts.emplace(number, *std::move(leaf));
  return facts;
}

VersionRecord to_version(std::int64_t id, int number, const crypto::LeafFacts& leaf,
                         VersionState state) {
  return {.certificate_id = id,
          .number = number,
          .state = state,
          .order_url = {},
          .not_before = leaf.not_before,
          .not_after = leaf.not_after,
          .fingerprint = leaf.fingerprint,
          .renewal_id = leaf.renewal_id,
          .names = leaf.names,
          .key_since = leaf.not_before};
}

// One that is newer than what is live was not proven yet, or was not fit: the next run decides
// that.
bool is_better(const crypto::LeafFacts& one, const crypto::LeafFacts& other) {
  return one.not_after > other.not_after && one.key_type == other.key_type &&
         std::ranges::is_permutation(one.names, other.names);
}

// Of the catalog's versions those that are no longer there.
Result<> forget_missing(store::Catalog& catalog, std::int64_t id, const Facts& facts) {
  for (const VersionState state : {VersionState::live, VersionState::ready})
    if (const auto version = TRY(catalog.version(id, state));
        version && !facts.contains(version->number))
      TRY(catalog.remove_version(id, version->number));
  for (const int number : TRY(catalog.old_versions(id)))
    if (!facts.contains(number)) TRY(catalog.remove_version(id, number));
  return {};
}

// What a complete version is beside the live one. What is newer may be what a run was killed at
// before it was proven: the next one installs it.
VersionState state_of(int number, const std::optional<VersionRecord>& known, const Facts& facts,
                      int live) {
  if (number == live) return VersionState::live;
  if (number < live) return VersionState::old;
  if (known && (known->state == VersionState::ready || known->state == VersionState::old))
    return known->state;
  const bool is_next =
      number == facts.rbegin()->first && is_better(facts.at(number), facts.at(live));
  return is_next ? VersionState::ready : VersionState::old;
}

// Enters what is on disk of a certificate with an id, of which version `live` is live.
Result<> enter_versions(store::Catalog& catalog, CertificateRecord& record, const Facts& facts,
                        int live, Time now) {
  TRY(forget_missing(catalog, record.id, facts));
  std::vector<VersionRecord> versions;
  for (const auto& [number, leaf] : facts) {
    auto known = TRY(catalog.version_with(record.id, leaf.fingerprint));
    if (known && known->number != number) known = std::nullopt;
    versions.push_back(to_version(record.id, number, leaf, state_of(number, known, facts, live)));
    if (known) versions.back().key_since = known->key_since;
  }
  if (record.version != live || record.fingerprint != facts.at(live).fingerprint) {
    const auto version = std::ranges::find(versions, live, &VersionRecord::number);
    enter_version(record, *version, random_draw(), now);
    record.next_look = {};
  }
  TRY(catalog.save_certificates({&record, 1}));
  return catalog.save_versions(versions);
}

// The URL of which AccountKeys made the name of this directory, as far as that can be told.
std::string guess_server(std::string_view directory, const std::set<std::string>& known) {
  for (const std::string& url : known)
    if (store::AccountKeys::directory_name(url) == directory) return url;
  std::string url = "https://";
  bool in_host = true;
  for (std::size_t i = 0; i < directory.size(); ++i) {
    const bool is_port = in_host && i + 1 < directory.size() &&
                         std::isdigit(static_cast<unsigned char>(directory[i + 1])) != 0;
    url += directory[i] != '_' ? directory[i] : is_port ? ':' : '/';
    if (directory[i] == '_') in_host = false;
  }
  return url;
}

// One run of the job.
class RepairJob {
 public:
  RepairJob(const Environment& environment, const RepairOptions& options, store::Catalog& catalog)
      : environment_(environment),
        options_(options),
        catalog_(catalog),
        certificates_(environment.files, environment.settings.state) {}

  Result<RepairReport> run(const std::string& old_catalog);

 private:
  Result<> look_at_nginx();
  Result<> look_at_accounts();
  Result<> adopt(const std::string& name);
  Result<int> choose_live(RepairedCertificate& repaired, const Facts& facts);
  Result<> describe(RepairedCertificate& repaired, const crypto::LeafFacts& leaf, int live);
  void say_how(RepairedCertificate& repaired);
  void find_first(CertificateRecord& record) const;
  void say_how_nginx_starts(RepairedCertificate& repaired);
  Result<> resume_pending(RepairedCertificate& repaired);

  const Environment& environment_;
  const RepairOptions& options_;
  store::Catalog& catalog_;
  store::CertificateStore certificates_;
  RepairReport report_;
  bool nginx_is_known_ = false;
  NamedInNginx in_nginx_;
  std::string server_;  // where nothing else names a CA
  bool server_is_guessed_ = false;
};

Result<RepairReport> RepairJob::run(const std::string& old_catalog) {
  if (base::exists(environment_.files, old_catalog))
    report_.kept = TRY(catalog_.take_over(old_catalog));
  report_.notes = TRY(end_unfinished_changes(catalog_));
  if (const auto looked = look_at_nginx(); !looked)
    report_.notes.push_back(
        fmt::format("what nginx serves is not known: {}; the next `everseal renew` looks again",
                    looked.error().message));
  TRY(look_at_accounts());
  std::set<std::string> names;
  for (const std::string& each : TRY(certificates_.names())) names.insert(each);
  for (const std::string& each : TRY(certificates_.live_names())) names.insert(each);
  for (const auto& [name, site] : in_nginx_) names.insert(name);
  for (const CertificateRecord& each : TRY(catalog_.certificates())) names.insert(each.name);
  for (const std::string& name : names)
    if (base::parse_domain_name(name))
      TRY(base::within(name, adopt(name)));
    else
      report_.notes.push_back(fmt::format(
          "certs/ or live/ holds {}, which is no certificate's name", base::printable(name)));
  if (TRY(catalog_.changes()).empty())
    if (const auto known = check_history_is_known(environment_); !known)
      report_.notes.push_back(known.error().message);
  return std::move(report_);
}

Result<> RepairJob::look_at_nginx() {
  in_nginx_ = TRY(find_named(environment_));
  nginx_is_known_ = true;
  return {};
}

// The CA of those of which nothing says it: the only one with an account, or that of the settings.
Result<> RepairJob::look_at_accounts() {
  const Settings& settings = environment_.settings;
  std::set<std::string> known = {settings.server, kLetsEncrypt, kLetsEncryptStaging};
  for (const CertificateRecord& each : TRY(catalog_.certificates())) known.insert(each.server);
  std::vector<std::string> servers;
  for (const std::string& each :
       TRY(store::AccountKeys(environment_.files, settings.state).directory_names()))
    servers.push_back(guess_server(each, known));
  const bool is_set =
      servers.empty() || std::ranges::find(servers, settings.server) != servers.end();
  server_ = is_set ? settings.server : servers.front();
  server_is_guessed_ = servers.size() != 1;
  return {};
}

Result<> RepairJob::adopt(const std::string& name) {
  const auto known = TRY(catalog_.certificate(name));
  RepairedCertificate repaired{known.value_or(CertificateRecord{})};
  repaired.certificate.name = name;
  const Facts facts = TRY(read_versions(environment_, certificates_, name));
  const int live = TRY(choose_live(repaired, facts));
  const auto site = in_nginx_.find(name);
  if (live > 0) TRY(describe(repaired, facts.at(live), live));
  CertificateRecord& record = repaired.certificate;
  if (record.names.empty() && site != in_nginx_.end()) record.names = site->second;
  find_first(record);
  if (record.names.empty()) {
    report_.notes.push_back(
        fmt::format("{}: no version of it is whole, and nothing says which names it is for", name));
    return {};
  }
  if (record.server.empty()) {
    record.server = server_;
    if (server_is_guessed_)
      repaired.notes.push_back(
          fmt::format("which CA it is from is not known, taken is {}", server_));
  }
  if (record.key_type.empty()) record.key_type = crypto::to_string(crypto::KeyType::ecdsa_p256);
  if (nginx_is_known_) record.in_nginx = site != in_nginx_.end();
  if (live == 0) {
    record.version = 0;
    record.renew_at = record.next_look = {};
    repaired.notes.push_back("no version of it is whole: it is due");
    if (record.in_nginx) say_how_nginx_starts(repaired);
  }
  say_how(repaired);
  TRY(catalog_.save_certificates({&record, 1}));
  if (live > 0)
    TRY(enter_versions(catalog_, record, facts, live, environment_.clock.now()));
  else
    TRY(forget_missing(catalog_, record.id, facts));
  TRY(resume_pending(repaired));
  report_.certificates.push_back(std::move(repaired));
  return {};
}

// What live/ leads to; if that is nowhere, the version of the old catalog, or the newest.
Result<int> RepairJob::choose_live(RepairedCertificate& repaired, const Facts& facts) {
  const std::string& name = repaired.certificate.name;
  const auto link = certificates_.live(name);
  const int linked = link ? link->value_or(0) : 0;
  if (facts.contains(linked)) return linked;
  if (facts.empty()) return 0;
  const int known = repaired.certificate.version;
  const int chosen = facts.contains(known) ? known : facts.rbegin()->first;
  repaired.notes.push_back(
      fmt::format("live/{} {}: it {} version {}", name,
                  !link        ? "was damaged"
                  : linked > 0 ? fmt::format("led to version {}, which is not whole", linked)
                               : "was missing",
                  options_.dry_run ? "would lead to" : "leads now to", chosen));
  if (!options_.dry_run) TRY(certificates_.switch_live(name, chosen));
  return chosen;
}

// What was asked for: as the old catalog has it, else as the note beside the certificate, else as
// the certificate itself.
Result<> RepairJob::describe(RepairedCertificate& repaired, const crypto::LeafFacts& leaf,
                             int live) {
  CertificateRecord& record = repaired.certificate;
  if (!record.names.empty()) return {};
  const std::string name = record.name;
  const auto text = certificates_.read(name, live, store::kNoteFile);
  if (auto note = text ? store::from_note(*text) : std::unexpected(text.error());
      note && note->name == name) {
    record = *std::move(note);
  } else {
    record.names = leaf.names;
    std::ranges::stable_partition(record.names, [&](const auto& each) { return each == name; });
    record.key_type = leaf.key_type;
    record.method = store::Method::webroot;
  }
  if (certificates_.is_begun_by_request(name, live)) {
    crypto::Verifier* const verifier = TRY(environment_.workers.verifier());
    const std::string request = TRY(certificates_.read(name, live, "csr.pem"));
    record.request = base::base64url(TRY(verifier->read_request(request)).der);
    record.key_type = kForeignKey;
  }
  return {};
}

// A site's second certificate has the first one's name and the family of its key ("a.example-rsa").
void RepairJob::find_first(CertificateRecord& record) const {
  const std::string& name = record.name;
  const std::size_t dash = name.rfind('-');
  if (dash == std::string::npos || !record.beside.empty()) return;
  if (std::ranges::find(record.names, name) != record.names.end()) return;
  const std::string first = name.substr(0, dash), family = name.substr(dash + 1);
  if (!in_nginx_.contains(first)) return;
  record.beside = first;
  if (record.key_type.empty() && family == crypto::to_string(crypto::KeyFamily::rsa))
    record.key_type = crypto::to_string(crypto::KeyType::rsa_2048);
}

// While a file is missing that nginx is to read, it takes no change: not even the one that answers
// the CA for a new account.
void RepairJob::say_how_nginx_starts(RepairedCertificate& repaired) {
  const std::string bundle = certificates_.bundle_path(repaired.certificate.name);
  if (base::exists(environment_.files, bundle)) return;
  report_.missing.push_back(repaired.certificate.name);
  repaired.notes.push_back(fmt::format(
      "nginx does not start without {0}: first put a certificate of no worth there, until the next "
      "`everseal renew` brings one: (umask 077; mkdir -p {1}; openssl req -x509 -newkey rsa:2048 "
      "-nodes -days 30 -subj / -keyout {0} -out {0})",
      bundle, base::directory_of(bundle)));
}

// How its names are proven: nginx answers for what it serves; else the old catalog or the note must
// say it.
void RepairJob::say_how(RepairedCertificate& repaired) {
  CertificateRecord& record = repaired.certificate;
  if (record.in_nginx) record.method = store::Method::nginx;
  const bool is_known =
      record.method != store::Method::webroot || record.webroots.size() == record.names.size();
  if (is_known) return;
  repaired.notes.push_back(fmt::format(
      "how its names are proven is not known, and it cannot be renewed before that; say it once: "
      "everseal issue --server {} -d {}:WEBROOT",
      record.server, fmt::join(record.names, ":WEBROOT -d ")));
}

// A key without a certificate: its order, if there is one, is looked for at the CA.
Result<> RepairJob::resume_pending(RepairedCertificate& repaired) {
  const CertificateRecord& record = repaired.certificate;
  if (TRY(catalog_.version(record.id, VersionState::pending))) return {};
  const auto versions = TRY(certificates_.versions(record.name));
  if (versions.pending.empty() || versions.pending.back() < versions.last()) return {};
  const VersionRecord pending{.certificate_id = record.id,
                              .number = versions.pending.back(),
                              .state = VersionState::pending,
                              .order_url = {},
                              .not_before = {},
                              .not_after = {},
                              .fingerprint = {},
                              .renewal_id = {},
                              .names = record.names,
                              .key_since = environment_.clock.now()};
  repaired.notes.push_back(fmt::format(
      "version {} waits for its certificate: the next run goes on with it", pending.number));
  return catalog_.save_versions({&pending, 1});
}

constexpr const char* kDraft = "catalog.draft.db";  // being filled
constexpr const char* kNew = "catalog.new.db";      // whole, to be put in its place
constexpr const char* kCatalog = "catalog.db";

Result<> remove_database(FileSystem& files, const std::string& path) {
  for (const char* suffix : {"", "-wal", "-shm"}) TRY(base::remove_tree(files, path + suffix));
  return {};
}

// What was closed is whole without its log.
Result<> finish_draft(FileSystem& files, const std::string& directory) {
  const std::string draft = base::join_path(directory, kDraft);
  for (const char* suffix : {"-wal", "-shm"}) TRY(base::remove_tree(files, draft + suffix));
  TRY(files.sync(draft));
  TRY(files.rename(draft, base::join_path(directory, kNew)));
  return files.sync(directory);
}

// The old catalog with its log, which must not be taken for the new one's.
Result<std::string> put_aside(FileSystem& files, const std::string& directory, Time now) {
  const std::string old = base::join_path(directory, kCatalog);
  std::string aside;
  for (const char* suffix : {"", "-wal", "-shm"}) {  // never the database without its log
    if (!base::exists(files, old + suffix)) continue;
    if (aside.empty()) {
      aside = unused_path(files, fmt::format("{}/damaged-{}", directory, base::to_rfc3339(now)));
      TRY(files.make_directory(aside, 0700));
    }
    TRY(files.rename(old + suffix, fmt::format("{}/{}{}", aside, kCatalog, suffix)));
  }
  if (!aside.empty()) TRY(files.sync(aside));
  return aside;
}

Result<> put_in_place(FileSystem& files, const std::string& directory) {
  TRY(files.rename(base::join_path(directory, kNew), base::join_path(directory, kCatalog)));
  return files.sync(directory);
}

// An earlier repair was killed between the two. What it left of the old log goes aside, too.
Result<> finish_earlier_repair(FileSystem& files, const std::string& directory, Time now) {
  if (base::exists(files, base::join_path(directory, kNew)) &&
      !base::exists(files, base::join_path(directory, kCatalog))) {
    TRY(put_aside(files, directory, now));
    TRY(put_in_place(files, directory));
  }
  TRY(remove_database(files, base::join_path(directory, kNew)));
  return remove_database(files, base::join_path(directory, kDraft));
}

}  // namespace

Result<RepairReport> repair(const Environment& environment, const RepairOptions& options) {
  FileSystem& files = environment.files;
  const auto lock = TRY(State::lock(environment));
  const std::string directory = TRY(files.real_path(environment.settings.state));
  const std::string old = base::join_path(directory, kCatalog);
  if (options.dry_run) {
    auto catalog = TRY(store::Catalog::open(":memory:"));
    return RepairJob(environment, options, catalog).run(old);
  }
  TRY(finish_earlier_repair(files, directory, environment.clock.now()));
  RepairReport report;
  {
    auto catalog = TRY(store::Catalog::open(base::join_path(directory, kDraft)));
    report = TRY(RepairJob(environment, options, catalog).run(old));
    TRY(catalog.check());
  }
  TRY(finish_draft(files, directory));
  report.aside = TRY(put_aside(files, directory, environment.clock.now()));
  TRY(put_in_place(files, directory));
  return report;
}

Result<bool> catch_up(const Environment& environment, State& state,
                      CertificateRecord& certificate) {
  const auto live = TRY(state.certificates().live(certificate.name));
  if (live.value_or(0) <= TRY(state.catalog().last_version(certificate.id))) return false;
  const Facts facts = TRY(read_versions(environment, state.certificates(), certificate.name));
  if (!facts.contains(*live)) return false;
  TRY(enter_versions(state.catalog(), certificate, facts, *live, environment.clock.now()));
  return true;
}

}  // namespace everseal::jobs
