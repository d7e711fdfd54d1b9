// From certificate records to complete versions on disk: the way through the CA.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "acme/runner.h"
#include "base/stop.h"
#include "challenge/http01.h"
#include "jobs/chronicle.h"
#include "jobs/preflight.h"
#include "jobs/state.h"
#include "privsep/workers.h"
#include "renew/limits.h"
#include "store/account_keys.h"

namespace everseal::jobs {

using base::stop_requested;

// A certificate that the CA has issued: version `version` is complete, not yet live.
struct Issued {
  store::CertificateRecord certificate;
  store::VersionRecord version;
};

// A certificate to get: for all its names, or for some where others fail.
struct Wanted {
  store::CertificateRecord certificate;
  std::vector<std::string> names{};  // of the certificate's; empty: all
  bool retries_names = false;        // renew::Action
};

// Each for all its names.
std::vector<Wanted> all_names(std::vector<store::CertificateRecord> certificates);

struct NotIssued {
  store::CertificateRecord certificate;
  Error error;                              // says why for each name
  std::vector<acme::NameProblem> problems;  // the CA's words by name
};

// Whether the certificates that the settings pin keep their keys.
enum class KeyChoice { as_set, all_new };

bool is_pinned(const Settings& settings, const store::CertificateRecord& certificate);

struct IssueReport {
  std::vector<Issued> issued;
  std::vector<NotIssued> failed;
};

// One account at one CA, used for one run. All references must outlive it.
class Issuer : private acme::Host {
 public:
  // `server`: the CA's directory URL.
  Issuer(const Environment& environment, State& state, std::string server);

  // Starts what the rest needs, without waiting for it: worth doing before other work.
  Result<> start();

  // Asks the CA when to renew certificates; no account is needed. Errors: transient.
  Result<std::vector<acme::RenewalInfo>> renewal_info(std::span<const std::string> ids);

  // Opens the account key, or makes it. Nothing is asked of the CA.
  Result<> open_key();

  // The same, and opens the account: from the catalog, else at the CA, whose terms of service are
  // shown and must be agreed to. Errors: those of acme::Client and acme::check_terms().
  Result<> open_account();

  // Gives the account a new key (RFC 8555 §7.3.5). When it returns without an error the CA knows no
  // other and the old one is kept beside it; else the old one is in use as before, unless the error
  // says that this is not known: then the next open_account() finds it out.
  Result<> change_key();

  // Of the account key, once it is open.
  const std::string& thumbprint() const { return thumbprint_; }

  // Gets a new version of each certificate (all in the catalog already), or finishes the one that
  // an earlier run began for the same names. Outcomes are in the catalog when it returns.
  Result<IssueReport> issue(std::vector<Wanted> wanted, KeyChoice keys = KeyChoice::as_set);

 private:
  struct Task {
    store::CertificateRecord certificate;
    bool retries_names = false;
    store::VersionRecord version{};
    std::string public_key{};       // DER
    bool was_begun = false;         // by an earlier run
    std::string account_problem{};  // its type: why it is tried again, once
  };

  Result<> save_orders(std::span<const acme::OrderRecord> records) override;
  Result<> publish(const acme::ChallengeResponse& response) override;
  void retract(const acme::ChallengeResponse& response) override;
  void progress(std::uint64_t id, acme::Step step) override;
  void finished(std::span<const acme::Outcome> outcomes) override;

  void make_users();
  Result<> settle_key();
  Result<> find_out_key(const std::string& next_thumbprint);
  Result<> adopt_next_key(const std::string& account_url, const std::string& thumbprint);
  Result<std::string> make_next_key();
  Result<> note_new_key();
  Result<> register_account();
  Result<> replace_account(const std::string& lost_url);
  Result<> forget_orders();
  Result<> make_account();
  Result<> mend_account(std::string_view problem);
  Result<> agree_anew();
  Result<bool> agree_to_terms(const std::string& url);
  Result<> begin(Task& task, std::vector<std::string> names);
  Result<> resume(Task& task);
  acme::payload::NewOrder order_of(const Task& task) const;
  bool keeps_key(const store::CertificateRecord& certificate) const;
  Result<> make_key(std::uint64_t id);
  Result<> keep_key(std::uint64_t id);
  Result<> use_request(std::uint64_t id);
  Result<> begin_by_request(std::uint64_t id);
  bool is_doubtful(std::uint64_t id) const;
  Result<std::unique_ptr<scan::Scout>> begin_scouting(const std::vector<std::uint64_t>& ids) const;
  void look_ahead(std::vector<std::uint64_t>& ids, Result<std::unique_ptr<scan::Scout>> scout);
  Result<Preflight> try_answers(const std::vector<std::uint64_t>& ids, scan::Scout& scout);
  void give_up_unanswered(std::uint64_t id, const std::string& name);
  Result<> run(const std::vector<std::uint64_t>& ids);
  void run_all(const std::vector<std::uint64_t>& ids);
  Result<challenge::Responder*> responder(const Task& task, const std::string& name);
  Result<> save_ended(std::span<const acme::Outcome> outcomes, std::span<const Issued> ready);
  void save_failures();
  void count(std::span<const acme::Outcome> outcomes);
  challenge::WebrootResponder& webroot(const std::string& path);
  Result<store::VersionRecord> keep(const Task& task, const std::string& chain_pem);
  void sweep(const Task& task);
  void keep_failure(Task& task, Error error, acme::Outcome outcome);
  void enter(Task& task, Error error, acme::Outcome outcome);

  const Environment& environment_;
  State& state_;
  const std::string server_;
  store::AccountKeys account_keys_;
  privsep::CaWorkers ca_;
  crypto::Verifier* verifier_ = nullptr;
  bool key_was_used_ = false;     // by an earlier run
  bool key_has_changed_ = false;  // in this run
  KeyChoice keys_ = KeyChoice::as_set;
  std::string thumbprint_;
  challenge::NginxResponder nginx_;
  std::unique_ptr<challenge::Responder> standalone_;
  std::map<std::string, challenge::WebrootResponder> webroots_;
  std::vector<Task> tasks_;                        // by id
  std::vector<store::CertificateRecord> unsaved_;  // whose failure is not in the catalog yet
  std::optional<renew::LimitLedger> limits_;       // as counted in this run
  IssueReport report_;
  Chronicle chronicle_;
};

}  // namespace everseal::jobs
