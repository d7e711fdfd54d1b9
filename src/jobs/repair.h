// Making the catalog anew from what is on disk.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "jobs/state.h"
#include "store/salvage.h"

namespace everseal::jobs {

struct RepairOptions {
  bool dry_run = false;  // say what would be found
};

// A certificate of the new catalog; of what `notes` name nothing was left but a guess, or nothing.
struct RepairedCertificate {
  store::CertificateRecord certificate;
  std::vector<std::string> notes{};
};

struct RepairReport {
  std::vector<RepairedCertificate> certificates{};  // by name
  std::vector<store::Salvaged> kept{};              // of the old catalog; empty: there was none
  std::string aside{};                              // the directory where the old one is now
  std::vector<std::string>
      missing{};                     // those of which nginx needs a file before it starts, by name
  std::vector<std::string> notes{};  // about all of it
};

// Builds the catalog anew from the versions on disk, from live/, accounts/ and nginx's
// configuration, and from what can be read of the old catalog, which is put aside and never
// removed. A link in live/ that leads nowhere is led to the newest version that is whole. Killed at
// any moment it leaves the old catalog or the new one, or none but a new one that the next repair
// puts in place. Errors: invalid (a newer Everseal wrote the catalog); those of State::lock().
Result<RepairReport> repair(const Environment& environment, const RepairOptions& options);

// Brings the catalog up to the versions of one certificate on disk, where it is older than they
// are: somebody has put it back. False if it knows the version that is live.
Result<bool> catch_up(const Environment& environment, State& state,
                      store::CertificateRecord& certificate);

}  // namespace everseal::jobs
