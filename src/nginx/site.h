// Which certificates a configuration asks for: its sites and their names.
#pragma once

#include <string>
#include <vector>

#include "nginx/model.h"

namespace everseal::nginx {

// A certificate that a server is configured with.
struct CertificatePair {
  std::string certificate;  // absolute, unless it holds variables
  std::string key;          // empty if none is configured
  const Directive* certificate_directive = nullptr;
  const Directive* key_directive = nullptr;  // null if none is configured
  bool is_variable() const { return certificate.contains('$') || key.contains('$'); }
};

// The servers joined by names they share: they get one certificate.
struct Site {
  std::string name;                      // the first of names
  std::vector<std::string> names{};      // lower-case A-labels that ACME can issue, in order
  std::vector<const Server*> servers{};  // in order
  bool has_tls = false;                  // some server of it listens with TLS
  std::vector<CertificatePair> pairs{};  // of its TLS servers, each once, in order
  std::string where;                     // "FILE:LINE" of its first server
};

// A name in the configuration for which no certificate will be asked, and why.
struct SkippedName {
  std::string name;    // as written
  std::string reason;  // one sentence part, for a person: "a regular expression is not a name"
  std::string file;
  std::size_t line = 0;
};

struct Sites {
  std::vector<Site> sites;
  std::vector<SkippedName> skipped;
};

// The sites of `model`, in configuration order. Pointers lead into `model`.
Sites find_sites(const Model& model);

// The pairs in force for a server (ssl_certificate with the key of the same rank).
std::vector<CertificatePair> certificate_pairs(const Model& model, const Server& server);

}  // namespace everseal::nginx
