// Leaves, signed and remembered.
#pragma once

#include <cstdint>

#include "ca/issuer.h"
#include "ca/ledger.h"
#include "crypto/random.h"

namespace everseal::ca {

// For whom a leaf is; the CA's own are for account and order 0.
struct Recipient {
  std::int64_t account = 0, order = 0;
};

// Signs a leaf under a serial number that nobody had (its own is ignored) and adds it to the
// ledger. Errors: those of Issuer::issue() and of the ledger.
Result<CertificateRecord> sign_leaf(Ledger& ledger, const Issuer& issuer,
                                    const crypto::Randomness& random, LeafRequest leaf,
                                    Recipient recipient = {});

}  // namespace everseal::ca
