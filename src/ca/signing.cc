#include "ca/signing.h"

#include "base/encoding.h"
#include "crypto/jws.h"

namespace everseal::ca {
namespace {

constexpr std::size_t kSerialBytes = 16;
constexpr int kMostSerials = 5;

// A positive number of 127 bits, all but the first of them random (CA/Browser Forum, Baseline
// Requirements §7.1).
std::string make_serial(const crypto::Randomness& random) {
  std::string bytes = random(kSerialBytes);
  bytes[0] = static_cast<char>((bytes[0] & 0x7f) | 0x40);
  return base::hex(bytes);
}

}  // namespace

Result<CertificateRecord> sign_leaf(Ledger& ledger, const Issuer& issuer,
                                    const crypto::Randomness& random, LeafRequest leaf,
                                    Recipient recipient) {
  for (int i = 0; i < kMostSerials; i++) {
    leaf.serial = make_serial(random);
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
