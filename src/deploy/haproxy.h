// HAProxy as the server of a certificate: the file in its directory, its memory, and the proof.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/command_runner.h"
#include "base/file_system.h"
#include "deploy/proof.h"
#include "scan/probe.h"

namespace everseal::deploy {

// HAProxy's runtime API: the commands about certificates of one stats socket of level admin
// (HAProxy management guide, 9.3; 2.4 or newer). Each call ends within some `timeout`s, whatever
// answers.
class HaproxyRuntime {
 public:
  explicit HaproxyRuntime(std::string socket,
                          base::Milliseconds timeout = base::Milliseconds(10'000))
      : socket_(std::move(socket)), timeout_(timeout) {}

  // Makes HAProxy show `bundle` (PEM: key and chain, read from its beginning) as its file `path`,
  // without a reload; a file that it does not know yet becomes one of its directory. A transaction
  // in that directory that was begun and not ended is dropped first. Errors: invalid (HAProxy
  // refuses these bytes); anything else may be mended by a reload. HAProxy shows what it showed
  // before then.
  Result<> load(const std::string& path, const base::FileDescriptor& bundle) const;

  // Makes HAProxy forget a file that load() made known to it.
  Result<> unload(const std::string& path) const;

 private:
  Result<std::string> ask(const std::string& command,
                          const base::FileDescriptor* bundle = nullptr) const;
  Result<std::string> status(const std::string& path) const;
  Result<> abort(const std::string& path) const;
  Result<> drop_transaction(const std::string& directory) const;
  Result<> make_known(const std::string& path) const;
  Result<> replace(const std::string& path, const base::FileDescriptor& bundle) const;
  Result<> add_to_directory(const std::string& path) const;

  std::string socket_;
  base::Milliseconds timeout_;
};

// One HAProxy, as the settings describe it.
struct Haproxy {
  std::string certificates;          // the directory of its `crt`, absolute, without a last slash
  std::string socket;                // path; empty: HAProxy is reloaded
  std::vector<std::string> reload;   // a command and its arguments; empty: it cannot be reloaded
  std::vector<scan::Target> listen;  // where every certificate must be seen
};

// Whether HAProxy's command line takes the path as one word that means itself.
bool is_plain_path(std::string_view path);

// A live certificate.
struct LiveBundle {
  std::string name;                // of the certificate; "NAME.pem" is HAProxy's file of it
  std::vector<std::string> names;  // that it is for
  std::optional<crypto::KeyFamily> key;
  std::string fingerprint;  // of its leaf
  std::string path;         // of its bundle.pem
};

// Gives HAProxy the bundles: each is written into the directory (0600, atomically), pushed through
// the socket or, where that is impossible, taken up by one reload for all, and looked at through
// `visitor`. One that is not seen goes back, in the directory and in HAProxy. Returns those, by the
// certificate's name, with what was attempted, what happened and what is to do.
std::vector<Disproof> put(const Haproxy& haproxy, std::span<const LiveBundle> bundles,
                          FileSystem& files, CommandRunner& commands, scan::Visitor& visitor);

}  // namespace everseal::deploy
