// What the monitor has done by others: keys, the network, strangers' certificates, port 80.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "acme/client.h"
#include "acme/renewal_info.h"
#include "acme/runner.h"
#include "base/address.h"
#include "base/command_runner.h"
#include "base/file_descriptor.h"
#include "challenge/http01.h"
#include "crypto/key_examiner.h"
#include "crypto/verifier.h"
#include "notify/delivery.h"
#include "scan/probe.h"

namespace everseal::privsep {

// The keeper of one CA's account key and of the keys of certificates to come; see Keeper for what
// each call does. Errors of all: those of Worker::call().
class KeeperClient {
 public:
  virtual ~KeeperClient() = default;
  virtual Result<std::string> open_account_key(const base::FileDescriptor& file) = 0;
  virtual Result<std::string> make_account_key(const base::FileDescriptor& file) = 0;
  virtual Result<std::string> open_next_key(const base::FileDescriptor& file) = 0;
  virtual Result<std::string> make_next_key(const base::FileDescriptor& file) = 0;
  virtual Result<> choose(acme::AccountKey key) = 0;
  virtual Result<> allow_key_change() = 0;
  virtual Result<> allow_registration(const acme::Registration& registration) = 0;
  virtual Result<std::string> make_key(std::uint64_t id, const acme::payload::NewOrder& order,
                                       crypto::KeyType type, const base::FileDescriptor& file) = 0;
  virtual Result<std::string> open_key(std::uint64_t id, const acme::payload::NewOrder& order,
                                       const base::FileDescriptor& file) = 0;
  virtual Result<> use_request(std::uint64_t id, const acme::payload::NewOrder& order,
                               const std::string& request) = 0;
};

// The client of that CA; see acme::Client and acme::run(). The account that is used, found or made
// is the only one that the keeper signs for from then on.
class NetClient {
 public:
  virtual ~NetClient() = default;
  virtual Result<acme::AccountTerms> terms() = 0;
  virtual Result<> use_account(const std::string& url) = 0;
  virtual Result<acme::KeyStanding> find_account() = 0;
  virtual Result<std::string> register_account() = 0;
  virtual Result<> change_key() = 0;

  // By crypto::renewal_id(); in their order, printable. Needs no account.
  virtual Result<std::vector<acme::RenewalInfo>> renewal_info(std::span<const std::string> ids) = 0;

  // What the host is told has been checked against the requests: ids, names, tokens, the CA's
  // origin. Whatever was published is retracted when it returns, also after an error.
  virtual Result<> run(const std::vector<acme::IssuanceRequest>& requests, acme::Host& host,
                       const acme::RunnerOptions& options) = 0;
};

// A page of metrics for whoever asks; gone with this object. Errors: those of Worker::call().
class MetricsPage {
 public:
  virtual ~MetricsPage() = default;

  // The text in this file, from now on.
  virtual Result<> show(const base::FileDescriptor& text) = 0;
};

// Both, for one CA.
struct CaWorkers {
  std::unique_ptr<KeeperClient> keeper;
  std::unique_ptr<NetClient> net;
};

// Interface for having it done; each is begun when it is first asked for. References that it gives
// are valid as long as it lives.
class Workers {
 public:
  virtual ~Workers() = default;

  // `directory_url` names the CA, `trusted` is a file of the certificates in PEM that its own HTTPS
  // must lead to. Not waited for: what goes wrong is the first call's error.
  virtual Result<CaWorkers> open_ca(const std::string& directory_url,
                                    const base::FileDescriptor& trusted) = 0;

  virtual Result<crypto::Verifier*> verifier() = 0;

  // A keeper that knows no CA and signs nothing.
  virtual Result<crypto::KeyExaminer*> key_examiner() = 0;

  // For servers of this machine that listen on these TCP ports; no others can be reached.
  virtual Result<scan::Visitor*> visitor(std::span<const std::uint16_t> ports) = 0;

  // For one look at names and at what answers on port 80 where they lead.
  virtual Result<std::unique_ptr<scan::Scout>> scout() = 0;

  // The system users that roles are to run as and that do not exist yet; none where roles run as
  // whoever runs this. Until they are made roles run as users that nobody else is.
  virtual std::vector<std::string> users_to_make() const = 0;
  virtual Result<> make_users(CommandRunner& commands) = 0;

  // As notify::deliver(); `trusted` is a file of certificates in PEM.
  virtual Result<> deliver(const notify::Delivery& delivery,
                           const base::FileDescriptor& trusted) = 0;

  // Answers http-01 on port 80 itself.
  virtual Result<std::unique_ptr<challenge::Responder>> standalone_responder() = 0;

  // Shows metrics at http://ADDRESS:PORT/metrics.
  virtual Result<std::unique_ptr<MetricsPage>> metrics_page(const base::SocketAddress& address) = 0;
};

}  // namespace everseal::privsep
