// Driving any number of issuances on one thread.
#pragma once

#include <atomic>
#include <span>
#include <string>
#include <vector>

#include "acme/client.h"
#include "acme/issuance.h"

namespace everseal::acme {

// Interface for what issuing needs of the world besides the CA. Spans hold all issuances that came
// to that point together, so that one durable commit serves them all.
class Host {
 public:
  virtual ~Host() = default;

  // Makes the records durable; they replace earlier ones of the same id.
  virtual Result<> save_orders(std::span<const OrderRecord> records) = 0;

  // Makes a challenge true before it returns; retract() undoes it.
  virtual Result<> publish(const ChallengeResponse& response) = 0;
  virtual void retract(const ChallengeResponse& response) = 0;

  virtual void progress(std::uint64_t id, Step step) = 0;

  // Each id is given once.
  virtual void finished(std::span<const Outcome> outcomes) = 0;
};

struct RunnerOptions {
  std::size_t most_at_once = 100;                        // orders begun and not finished
  base::Milliseconds deadline{std::chrono::minutes(5)};  // of each issuance
  const std::atomic<bool>* stop = nullptr;               // set by a signal: end soon, tidily
};

// Issues all requests and returns when each has finished. Issuances of the same set of names run
// one after the other: a CA may answer both with one order. Errors: those of Client::directory();
// then nothing was begun. The client must have an open account.
Result<> run(Client& client, std::vector<IssuanceRequest> requests, Host& host,
             const RunnerOptions& options = {});

}  // namespace everseal::acme
