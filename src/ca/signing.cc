#include "ca/signing.h"

#include "base/encoding.h"
#include "ca/x509.h"
#include "crypto/jws.h"

namespace everseal::ca {
namespace {

constexpr int kMostSerials = 5;

}  // namespace

Result<CertificateRecord> sign_leaf(Ledger& ledger, const Issuer& issuer,
                                    const crypto::Randomness& random, LeafRequest leaf,
                                    Recipient recipient) {
  for (int i = 0; i < kMostSerials; i++) {
    leaf.serial = base::hex(x509::random_serial(random));
    Issued issued = TRY(issuer.issue(leaf));
    CertificateRecord record{.serial = leaf.serial,
                             .account = recipient.account,
                             .order = recipient.order,
                             .issuer = std::move(issued.issuer),
                             .der = std::move(issued.der),
                             .key = crypto::sha256(leaf.public_key_der),
                             .not_before = leaf.not_before,
                             .not_after = leaf.not_after};
    if (TRY(ledger.add(record))) return record;
  }
  return base::internal("no serial number is free");
}

}  // namespace everseal::ca
