// A CA that runs: its state in a directory, its sockets, its validation, on one loop.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/result.h"
#include "ca/policy.h"
#include "ca/validation_context.h"

namespace everseal::ca {

struct ServiceOptions {
  std::string state{};                // directory; made if it is missing
  std::vector<std::string> listen{};  // "127.0.0.1:8555", …
  std::string management{};           // the same; of a loopback address; empty: none
  std::string name{};                 // of the host, in URLs; empty: localhost
  std::string resolver{};             // "127.0.0.1:53"; empty: the system's
  std::string faults{};               // JSON; empty: none
  // Where the ledger is lost or damaged: a new one takes its place, or the CA does not start.
  enum class LostLedger { refuse, begin_anew } lost_ledger = LostLedger::refuse;
  ValidationSettings validation{};
  Policy policy{};
  std::function<void(const std::string&)> log = [](const std::string&) {};
};

// The files of its directory are described in docs/formats.md. SIGPIPE must be ignored.
class Service {
 public:
  // Takes the directory's lock, makes what is missing in it, listens. To be called while there is
  // one thread. Errors: transient (another process has the directory, an address is taken), invalid
  // (what was given; the ledger or the keys are lost), rejected (others can read or change them),
  // those of files.
  static Result<Service> open(FileSystem& files, const Clock& clock, ServiceOptions options);
  Service(Service&&) noexcept;
  ~Service();

  const std::string& directory_url() const;
  const std::string& root_file() const;  // what clients trust, PEM
  const std::vector<std::string>& addresses() const;

  // Serves until `stop` is true, at most a moment longer. Errors: transient (the process that holds
  // the keys is gone).
  Result<> run(const std::atomic<bool>& stop);

 private:
  class State;
  explicit Service(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace everseal::ca
