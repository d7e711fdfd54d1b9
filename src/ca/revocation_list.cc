#include "ca/revocation_list.h"

#include "base/encoding.h"
#include "ca/x509.h"
#include "crypto/der.h"

namespace everseal::ca {
namespace {

namespace der = crypto::der;
using x509::Weight;

std::string reason_extension(int reason) {
  if (reason == 0) return {};
  return der::sequence(x509::extension("2.5.29.21", Weight::normal,
                                       der::enumerated(static_cast<unsigned char>(reason))));
}

Result<std::string> entries(const std::vector<RevokedCertificate>& certificates) {
  std::string all;
  for (const RevokedCertificate& each : certificates) {
    all += der::sequence(der::integer(TRY(base::decode_hex(each.serial))) + der::time(each.at) +
                         reason_extension(each.reason));
  }
  if (all.empty()) return all;  // the list itself is left out then
  return der::sequence(all);
}

}  // namespace

Result<std::string> sign_revocation_list(const RevocationList& list, const Intermediate& issuer) {
  constexpr std::uint64_t kVersion2 = 1;
  const std::string extensions =
      x509::authority_key_identifier(issuer.key_identifier()) +
      x509::extension("2.5.29.20", Weight::normal, der::integer(list.number));
  return x509::sign(
      der::sequence(der::integer(kVersion2) + x509::signature_algorithm() + issuer.subject() +
                    der::time(list.this_update) + der::time(list.next_update) +
                    TRY(entries(list.certificates)) + der::tagged(0, der::sequence(extensions))),
      issuer.key());
}

}  // namespace everseal::ca
