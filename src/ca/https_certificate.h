// The certificate of the CA's own HTTPS, by itself.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/file_system.h"
#include "ca/issuer.h"
#include "ca/ledger.h"
#include "crypto/random.h"

namespace everseal::ca {

// Makes FILE, which holds key and chain in PEM, unless there is one that is ours, for exactly these
// names (DNS names and addresses), with more than a third of its life left. True if it was made.
// Errors: those of files, of the issuer and of the ledger.
Result<bool> keep_https_certificate(FileSystem& files, const std::string& file,
                                    const Issuer& issuer, Ledger& ledger,
                                    std::vector<std::string> names, Time now);

}  // namespace everseal::ca
