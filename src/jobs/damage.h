// Whether the files of live certificates are as they were written, and what is done if not.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "jobs/state.h"

namespace everseal::jobs {

// A live certificate of which something was missing or different on disk.
struct Damage {
  std::string name;      // the certificate's
  std::string what;      // "bundle.pem, live/example.org"
  bool restored = true;  // else it is due at once: nothing that is left makes it whole
};

// Whether something may have happened to its files since: one is missing or badly kept, was changed
// later (st_ctime of stat(2), which follows the machine's clock alone), or live/NAME leads
// elsewhere. Looks at no content.
bool may_be_damaged(State& state, const store::CertificateRecord& certificate, Time since);

// Looks at all files of each of these that is live: that the chain is the one whose leaf the
// catalog knows, that the key belongs to it, that each file holds what it must, that live/NAME
// leads there. The key is looked at by a process of its own; its bytes are copied within the
// kernel. What can be made from what is left is written anew. Else the certificate is made due, and
// live/NAME leads to an older version as long as there is one. Both are entered into its history,
// and told. Errors: those of the catalog and of the workers; transient, if one could not be looked
// at or mended, which keeps none of the others from it.
Result<std::vector<Damage>> mend_files(const Environment& environment, State& state,
                                       std::span<const store::CertificateRecord> certificates);

// The same look, by which nothing is changed: those of which nothing that is left makes a whole
// version, so that mend_files() would make them due. Errors: those of the workers.
Result<std::vector<std::string>> find_beyond_repair(
    const Environment& environment, State& state,
    std::span<const store::CertificateRecord> certificates);

}  // namespace everseal::jobs
