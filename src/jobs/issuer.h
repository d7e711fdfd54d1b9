// From certificate records to complete versions on disk: the way through the CA.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "acme/runner.h"
#include "base/stop.h"
#include "challenge/http01.h"
#include "jobs/ca_account.h"
#include "jobs/chronicle.h"
#include "jobs/preflight.h"
#include "jobs/state.h"
#include "renew/limits.h"

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

  // As of CaAccount.
  Result<> open_key() { return account_.open_key(); }
  Result<> open_account();
  Result<> change_key() { return account_.change_key(); }
  const std::string& thumbprint() const { return account_.thumbprint(); }

  // What is done where the account turns out to be lost while certificates are ordered, and has a
  // new key then: nginx is to answer for it before the CA asks again.
  void on_new_key(std::function<Result<>()> answer_anew) { answer_anew_ = std::move(answer_anew); }

  // Gets a new version of each certificate (all in the catalog already), or finishes the one that
  // an earlier run began for the same names. Outcomes are in the catalog when it returns.
  Result<IssueReport> issue(std::vector<Wanted> wanted, KeyChoice keys = KeyChoice::as_set);

 private:
  struct Task {
    store::CertificateRecord certificate;
    bool retries_names = false;
    store::VersionRecord version{};
    std::string public_key{};  // DER
    bool was_begun = false;    // by an earlier run
    std::optional<acme::Outcome>
        refusal{};  // of the first try, for which the account may be to blame
  };

  Result<> save_orders(std::span<const acme::OrderRecord> records) override;
  Result<> publish(const acme::ChallengeResponse& response) override;
  void retract(const acme::ChallengeResponse& response) override;
  void progress(std::uint64_t id, acme::Step step) override;
  void finished(std::span<const acme::Outcome> outcomes) override;

  void retry_refused(std::vector<std::uint64_t> ids);
  bool stays_refused(Task& task, const Result<bool>& mended, const Result<>& answered);
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
  CaAccount account_;
  std::function<Result<>()> answer_anew_;
  crypto::Verifier* verifier_ = nullptr;
  KeyChoice keys_ = KeyChoice::as_set;
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
