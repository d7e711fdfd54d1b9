#include "nginx/certificate_edit.h"

#include <algorithm>
#include <optional>

#include "nginx/placement.h"

namespace everseal::nginx {
namespace {

enum class KeyType { rsa, ecdsa };

// From the PEM label, or the algorithm's object identifier in base64 (RFC 5208, RFC 5915).
std::optional<KeyType> key_type(const FileReader& files, const std::string& path) {
  auto pem = files.read(path);
  if (!pem) return std::nullopt;
  if (pem->contains("BEGIN EC PRIVATE KEY") || pem->contains("ByqGSM49AgE")) return KeyType::ecdsa;
  if (pem->contains("BEGIN RSA PRIVATE KEY") || pem->contains("BgkqhkiG9w0BAQEF")) {
    return KeyType::rsa;
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
                                 const std::string& bundle_path, const FileReader& files) {
  auto pairs = certificate_pairs(model, server);
  for (const CertificatePair& pair : pairs) {
    if (pair.certificate == bundle_path && pair.key == bundle_path) return {};
  }
  bool own = std::ranges::any_of(server.directive->children, [](const Directive& child) {
    return child.name() == "ssl_certificate" || child.name() == "ssl_certificate_key";
  });
  if (!own) return {.action = CertificateEdit::Action::add};
  if (pairs.empty()) {
    return refusal(*server.directive,
                   "the server has an ssl_certificate_key without ssl_certificate: take it out");
  }
  if (pairs.size() == 1) return replacement(server, pairs.front());
  auto wanted = key_type(files, bundle_path).value_or(KeyType::ecdsa);
  const CertificatePair* same = nullptr;
  for (const CertificatePair& pair : pairs) {
    auto type = key_type(files, pair.key);
    if (!type || (type == wanted && same != nullptr)) {
      return refusal(*pair.certificate_directive,
                     "the server has several certificates and it is not clear which has the new "
                     "one's key type: replace that pair by hand");
    }
    if (type == wanted) same = &pair;
  }
  if (same == nullptr) return {.action = CertificateEdit::Action::add};
  return replacement(server, *same);
}

}  // namespace everseal::nginx
