// From certificate records to complete versions on disk: the way through the CA.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "acme/client.h"
#include "acme/runner.h"
#include "challenge/http01.h"
#include "http/transport.h"
#include "jobs/state.h"
#include "privsep/keeper.h"

namespace everseal::jobs {

// Set by a signal: jobs end soon and tidily.
extern std::atomic<bool> stop_requested;

// A certificate that the CA has issued: version `version` is complete, not yet live.
struct Issued {
  store::CertificateRecord certificate;
  store::VersionRecord version;
};

struct NotIssued {
  store::CertificateRecord certificate;
  Error error;                              // says why for each name
  std::vector<acme::NameProblem> problems;  // the CA's words by name
};

struct IssueReport {
  std::vector<Issued> issued;
  std::vector<NotIssued> failed;
};

// One account at one CA, used for one run. All references must outlive it.
class Issuer : private acme::Host {
 public:
  // `server`: the CA's directory URL.
  Issuer(const Environment& environment, State& state, std::string server);

  // Opens the account: from the catalog, else at the CA, whose terms of service are shown and must
  // be agreed to. Errors: those of acme::Client::open_account.
  Result<> open_account();

  // Of the account key; after open_account().
  Result<std::string> thumbprint() { return keeper_.thumbprint(); }

  // Gets a new version for each certificate (all in the catalog already), or finishes the one that
  // an earlier run began. Outcomes are in the catalog when it returns.
  Result<IssueReport> issue(std::vector<store::CertificateRecord> certificates);

 private:
  struct Task {
    store::CertificateRecord certificate;
    store::VersionRecord version;
    bool was_begun = false;  // by an earlier run
    bool account_unknown = false;
  };

  Result<> save_orders(std::span<const acme::OrderRecord> records) override;
  Result<std::string> certificate_request(std::uint64_t id,
                                          const std::vector<std::string>& names) override;
  Result<> publish(const acme::ChallengeResponse& response) override;
  void retract(const acme::ChallengeResponse& response) override;
  void progress(std::uint64_t id, acme::Step step) override;
  void finished(std::span<const acme::Outcome> outcomes) override;

  Result<> register_account(bool key_was_used);
  Result<bool> agree_to_terms();
  Result<> begin(Task& task);
  Result<> run(const std::vector<std::uint64_t>& ids);
  Result<challenge::Responder*> responder(const Task& task, const std::string& name);
  Result<store::VersionRecord> keep(const Task& task, const std::string& chain_pem);
  void keep_failure(Task& task, Error error, const acme::Outcome& outcome);

  const Environment& environment_;
  State& state_;
  const std::string server_;
  privsep::Keeper keeper_;
  std::unique_ptr<http::Transport> transport_;
  std::unique_ptr<acme::Client> client_;
  challenge::NginxResponder nginx_;
  std::unique_ptr<challenge::Responder> standalone_;
  std::map<std::string, std::unique_ptr<challenge::Responder>> webroots_;
  std::vector<Task> tasks_;  // by id
  IssueReport report_;
};

}  // namespace everseal::jobs
