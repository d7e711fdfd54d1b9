#include "ca/https_certificate.h"

#include <algorithm>

#include "base/address.h"
#include "ca/own_files.h"
#include "ca/signing.h"
#include "crypto/certificate.h"
#include "crypto/private_key.h"

namespace everseal::ca {
namespace {

constexpr base::Seconds kLife = std::chrono::days(90);

// Names and certificate of one file belong together, or it is made anew: so the certificate's own
// names are not compared but those that it was made for, in a line of the file.
std::string comment(const std::vector<std::string>& names) {
  std::string line = "# for";
  for (const std::string& name : names) line += " " + name;
  return line + "\n";
}

// A file that is damaged anywhere is none: libssl would refuse it, and the CA would not start.
bool is_good(const std::string& content, const std::string& first_line, const Issuer& issuer,
             Time now) {
  if (!content.starts_with(first_line)) return false;
  const std::size_t begin = content.find("-----BEGIN CERTIFICATE-----");
  if (begin == content.npos) return false;
  const auto key =
      crypto::PrivateKey::from_pem(content.substr(first_line.size(), begin - first_line.size()));
  const auto chain = crypto::CertificateChain::from_pem(content.substr(begin));
  return key && chain && key_matches(chain->leaf(), *key) && issuer.chains(chain->leaf().der()) &&
         chain->leaf().not_after() > now + kLife / 3;
}

LeafRequest leaf_for(const std::vector<std::string>& names, const crypto::PrivateKey& key,
                     Time now) {
  LeafRequest leaf{.public_key_der = key.public_key_der(),
                   .not_before = now - kBackdating,
                   .not_after = now - kBackdating + kLife - base::Seconds(1)};
  for (const std::string& name : names)
    (base::canonical_address(name) ? leaf.addresses : leaf.dns_names).push_back(name);
  return leaf;
}

}  // namespace

Result<bool> keep_https_certificate(FileSystem& files, const std::string& file,
                                    const Issuer& issuer, Ledger& ledger,
                                    std::vector<std::string> names, Time now) {
  std::ranges::sort(names);
  names.erase(std::ranges::unique(names).begin(), names.end());
  const auto there = files.read(file);
  if (there && check_secret(files, file) && is_good(*there, comment(names), issuer, now))
    return false;
  const auto key = TRY(crypto::PrivateKey::generate(crypto::KeyType::ecdsa_p256));
  const CertificateRecord made =
      TRY(sign_leaf(ledger, issuer, crypto::random_bytes, leaf_for(names, key, now)));
  const std::string chain = TRY(issuer.chains(made.der)).front();
  TRY(base::write_durably(files, file, comment(names) + key.to_pem() + chain, 0600));
  return true;
}

}  // namespace everseal::ca
