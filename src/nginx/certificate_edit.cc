#include "nginx/certificate_edit.h"

#include <algorithm>
#include <optional>

#include "nginx/placement.h"

namespace everseal::nginx {
namespace {

// From the PEM label, or the algorithm's object identifier in base64 (RFC 5208, RFC 5915).
std::optional<KeyFamily> key_family(const FileReader& files, const std::string& path) {
  auto pem = files.read(path);
  if (!pem) return std::nullopt;
  if (pem->contains("BEGIN EC PRIVATE KEY") || pem->contains("ByqGSM49AgE"))
    return KeyFamily::ecdsa;
  if (pem->contains("BEGIN RSA PRIVATE KEY") || pem->contains("BgkqhkiG9w0BAQEF")) {
    return KeyFamily::rsa;
  }
  return std::nullopt;
}

CertificateEdit refusal(const Directive& at, std::string reason) {
  return {.action = CertificateEdit::Action::refuse, .where = at.where(), .reason = reason};
}

CertificateEdit replacement(const Server& server, const CertificatePair& pair) {
  if (pair.is_variable()) {
    return refusal(*pair.certificate_directive,
                   "the path of the certificate holds variables, so it is not replaced: point it "
                   "to the new one by hand");
  }
  if (!is_own(*server.directive, pair.certificate_directive) ||
      !is_own(*server.directive, pair.key_directive)) {
    return refusal(*pair.certificate_directive,
                   "certificate and key are not both set in the server itself, and other servers "
                   "may share these lines: set both in it, then run again");
  }
  return {.action = CertificateEdit::Action::replace,
          .spans = {pair.certificate_directive->statement->words[1].span,
                    pair.key_directive->statement->words[1].span}};
}

}  // namespace

CertificateEdit certificate_edit(const Model& model, const Server& server,
                                 const SiteRequest& request, std::size_t which,
                                 const FileReader& files) {
  const Bundle& bundle = request.bundles[which];
  auto pairs = certificate_pairs(model, server);
  const auto is_of = [](const CertificatePair& pair, const Bundle& one) {
    return pair.certificate == one.path && pair.key == one.path;
  };
  for (const CertificatePair& pair : pairs)
    if (is_of(pair, bundle)) return {};
  bool own = std::ranges::any_of(server.directive->children, [](const Directive& child) {
    return child.name() == "ssl_certificate" || child.name() == "ssl_certificate_key";
  });
  if (!own) return {.action = CertificateEdit::Action::add};
  if (pairs.empty()) {
    return refusal(*server.directive,
                   "the server has an ssl_certificate_key without ssl_certificate: take it out");
  }
  std::erase_if(pairs, [&](const CertificatePair& pair) {
    return std::ranges::any_of(request.bundles,
                               [&](const Bundle& each) { return is_of(pair, each); });
  });
  if (pairs.empty()) return {.action = CertificateEdit::Action::add};
  // What the site's one certificate is replaced by need not be of its family; a second one's place
  // is beside the first's.
  if (pairs.size() == 1 && request.bundles.size() == 1) return replacement(server, pairs.front());
  const CertificatePair* same = nullptr;
  for (const CertificatePair& pair : pairs) {
    auto family = key_family(files, pair.key);
    if (!family || (family == bundle.key && same != nullptr)) {
      return refusal(*pair.certificate_directive,
                     "the server has several certificates and it is not clear which has the new "
                     "one's key type: replace that pair by hand");
    }
    if (family == bundle.key) same = &pair;
  }
  if (same == nullptr) return {.action = CertificateEdit::Action::add};
  return replacement(server, *same);
}

}  // namespace everseal::nginx
