#include "ca/dns01.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/encoding.h"
#include "crypto/jws.h"

namespace everseal::ca {

Proven<> prove_dns_01(const ValidationContext& context) {
  const std::string name = "_acme-challenge." + context.validation.name;
  const auto texts = TRY(looked_up("TXT", context.resolver.texts(name, context.step_deadline())));
  const std::string expected =
      base::base64url(crypto::sha256(key_authorization(context.validation)));
  if (std::ranges::find(texts, expected) != texts.end()) return {};
  if (texts.empty()) return disproven("unauthorized", fmt::format("{} has no TXT record", name));
  // They are not repeated: by an alias of the name they are whosever records the resolver finds.
  return disproven(
      "unauthorized",
      fmt::format("none of the {} TXT records of {} is the digest of the key authorization",
                  texts.size(), name));
}

}  // namespace everseal::ca
