#include "ca/issuer.h"

#include <fmt/format.h>

#include <algorithm>
#include <ranges>

#include "base/encoding.h"
#include "ca/own_files.h"
#include "ca/x509.h"
#include "crypto/der.h"
#include "crypto/jws.h"

namespace everseal::ca {
namespace {

constexpr std::size_t kRoots = 2;
constexpr std::size_t kActive = 2;  // intermediates that issue
constexpr auto kLeastLeft = std::chrono::days(2 * 365);
constexpr std::size_t kMostCommonNameBytes = 64;  // RFC 5280, appendix A.1, ub-common-name
constexpr std::size_t kLeastSerialBytes = 8, kMostSerialBytes = 20;

bool is_rsa(std::string_view public_key_der) {
  static const std::string identifier = crypto::der::object_identifier("1.2.840.113549.1.1.1");
  return public_key_der.substr(0, 32).contains(identifier);
}

std::string common_name_of(const LeafRequest& request) {
  const auto fits = [](const std::string& name) { return name.size() <= kMostCommonNameBytes; };
  const auto found = std::ranges::find_if(request.dns_names, fits);
  return request.common_name && found != request.dns_names.end() ? *found : std::string();
}

Result<std::string> serial_bytes(const std::string& serial) {
  auto bytes = base::decode_hex(serial);
  const bool fits = bytes && bytes->size() >= kLeastSerialBytes &&
                    bytes->size() <= kMostSerialBytes && bytes->front() != '\0' &&
                    (bytes->size() < kMostSerialBytes || (bytes->front() & 0x80) == 0);
  if (!fits) return base::invalid(fmt::format("not a serial: {}", base::printable(serial, 60)));
  return bytes;
}

// RFC 5280 §4.2.1.6: the alternative name is critical where there is no subject.
Result<std::string> extensions(const LeafRequest& request, const Intermediate& issuer,
                               x509::Weight weight_of_names) {
  const bool key_encipherment = request.key_encipherment && is_rsa(request.public_key_der);
  std::string all =
      x509::key_usage(key_encipherment ? x509::Usage::digital_signature_and_key_encipherment
                                       : x509::Usage::digital_signature);
  all += x509::server_authentication() + x509::end_entity();
  if (request.subject_key_id)
    all += x509::subject_key_identifier(x509::key_identifier(request.public_key_der));
  all += x509::authority_key_identifier(issuer.key_identifier());
  all += x509::authority_information("", request.ocsp_url);
  all += TRY(x509::alternative_name(request.dns_names, request.addresses, weight_of_names));
  if (!request.crl_directory_url.empty()) {
    all += x509::crl_distribution_point(
        fmt::format("{}{}.crl", request.crl_directory_url, issuer.id()));
  }
  return all;
}

std::string intermediate_id(std::size_t number) { return fmt::format("{}", number + 1); }

// Those that are there, and new ones until enough have time before them. Where the roots' keys are
// kept elsewhere, the old ones go on while there are any.
Result<std::vector<Intermediate>> open_intermediates(FileSystem& files,
                                                     const std::string& directory,
                                                     const std::vector<Root>& roots, Time now) {
  std::vector<Intermediate> all;
  std::size_t active = 0;
  while (true) {
    const std::string id = intermediate_id(all.size());
    const bool there = Intermediate::exists(files, directory, id);
    if (!there && active >= kActive) return all;
    auto next = Intermediate::open(files, directory, id, roots, now);
    const bool no_root_key = !next && next.error().kind == ErrorKind::not_found;
    if (!there && no_root_key && all.size() >= kActive) return all;
    all.push_back(TRY(std::move(next)));
    if (all.back().not_after() >= now + kLeastLeft) active++;
  }
}

// They are hardly ever read, but whoever has one is the CA.
Result<> check_root_keys(const FileReader& files, const std::string& directory) {
  for (std::size_t i = 1; i <= kRoots; i++) {
    const std::string path = base::join_path(directory, fmt::format("root-{}.key", i));
    if (base::exists(files, path)) TRY(check_secret(files, path));
  }
  return {};
}

}  // namespace

Result<Issuer> Issuer::open(FileSystem& files, const std::string& directory, Time now) {
  TRY(base::make_directories(files, directory, 0700));
  TRY(check_unchanged(files, directory));
  TRY(check_root_keys(files, directory));
  std::vector<Root> roots;
  for (std::size_t i = 1; i <= kRoots; i++)
    roots.push_back(TRY(Root::open(files, directory, fmt::format("root-{}", i), now)));
  auto intermediates = TRY(open_intermediates(files, directory, roots, now));
  return Issuer(std::move(roots), std::move(intermediates));
}

Result<Issuer> Issuer::read(const FileReader& files, const std::string& directory,
                            const KeySource& keys) {
  std::vector<Root> roots;
  for (std::size_t i = 1; i <= kRoots; i++)
    roots.push_back(TRY(Root::read(files, directory, fmt::format("root-{}", i))));
  std::vector<Intermediate> all;
  for (std::string id = intermediate_id(0); Intermediate::exists(files, directory, id);
       id = intermediate_id(all.size()))
    all.push_back(TRY(Intermediate::read(files, directory, id, roots, keys)));
  return Issuer(std::move(roots), std::move(all));
}

// The serial is random: its digest says at random which it is, and the same for the same.
const Intermediate& Issuer::choose(std::string_view serial) const {
  const auto which = static_cast<unsigned char>(crypto::sha256(serial).front()) % kActive;
  return intermediates_[intermediates_.size() - kActive + which];
}

Result<Issued> Issuer::issue(const LeafRequest& request) const {
  if (request.dns_names.empty() && request.addresses.empty())
    return base::invalid("a certificate needs a name");
  const Intermediate& issuer = choose(request.serial);
  if (request.not_after < request.not_before || request.not_after > issuer.not_after()) {
    return base::invalid(fmt::format("the certificate would not end between {} and {}",
                                     base::to_rfc3339(request.not_before),
                                     base::to_rfc3339(issuer.not_after())));
  }
  const std::string common_name = common_name_of(request);
  const auto weight = common_name.empty() ? x509::Weight::critical : x509::Weight::normal;
  x509::Certificate leaf;
  leaf.serial = TRY(serial_bytes(request.serial));
  leaf.issuer = issuer.subject();
  leaf.subject = x509::name("", common_name);
  leaf.not_before = request.not_before;
  leaf.not_after = request.not_after;
  leaf.public_key = request.public_key_der;
  leaf.extensions = TRY(extensions(request, issuer, weight));
  return Issued{.der = TRY(x509::sign_certificate(leaf, issuer.key())), .issuer = issuer.id()};
}

Time Issuer::not_after() const {
  Time first = intermediates_.back().not_after();
  for (const Intermediate& each : intermediates_ | std::views::reverse | std::views::take(kActive))
    first = std::min(first, each.not_after());
  return first;
}

Result<std::vector<std::string>> Issuer::chains(std::string_view leaf_der) const {
  for (const Intermediate& each : intermediates_) {
    if (!leaf_der.contains(x509::authority_key_identifier(each.key_identifier()))) continue;
    const std::string leaf = base::to_pem("CERTIFICATE", leaf_der);
    std::vector<std::string> chains;
    for (const crypto::Certificate& certificate : each.certificates())
      chains.push_back(leaf + certificate.pem());
    return chains;
  }
  return base::not_found("the certificate is not of this CA");
}

Result<std::string> Issuer::sign_crl(std::string_view issuer, const RevocationList& list) const {
  const auto found = std::ranges::find(intermediates_, issuer, &Intermediate::id);
  if (found == intermediates_.end())
    return base::not_found(fmt::format("no issuer {}", base::printable(issuer, 40)));
  return sign_revocation_list(list, *found);
}

std::string Issuer::answer_ocsp(std::string_view request, const OcspAnswerer& answerer) const {
  return ca::answer_ocsp(request, intermediates_, answerer);
}

}  // namespace everseal::ca
