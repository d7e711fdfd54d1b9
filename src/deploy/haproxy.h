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

// One HAProxy, as the settings describe it.
struct Haproxy {
  std::string certificates;          // the directory of its `crt`, absolute, without a last slash
  std::string socket;                // path; empty: HAProxy is reloaded
  std::vector<std::string> reload;   // a command and its arguments; empty: it cannot be reloaded
  std::vector<scan::Target> listen;  // where every certificate must be seen
};

// A live certificate.
struct LiveBundle {
  std::string name;                // of the certificate; "NAME.pem" is HAProxy's file of it
  std::vector<std::string> names;  // that it is for
  std::optional<crypto::KeyFamily> key;
  std::string fingerprint;  // of its leaf
  std::string path;         // of its bundle.pem
};

// Where the bundle is to be seen: each of its names at each address.
std::vector<ServesLeaf> places_of(const Haproxy& haproxy, const LiveBundle& bundle);

// What became of bundles that HAProxy was given; of the others it is proven that it shows them.
struct PutReport {
  std::vector<Disproof> failures{};    // by the certificate's name: what was attempted and to do
  std::vector<std::string> unheard{};  // certificates that failed as the socket gives no answer
  std::vector<std::string> untried{};  // certificates that are left to the next run, by a signal
};

// Gives HAProxy the bundles: each is written into the directory (0600, atomically), pushed through
// the socket or, where that is impossible, taken up by one reload for all, and looked at through
// `visitor`. One that is not seen goes back, in the directory and in HAProxy. A socket that gave no
// answer once is given up.
PutReport put(const Haproxy& haproxy, std::span<const LiveBundle> bundles, FileSystem& files,
              CommandRunner& commands, scan::Visitor& visitor);

}  // namespace everseal::deploy
