// Certificates without touching nginx.
#pragma once

#include <string>
#include <vector>

#include "jobs/issuer.h"

namespace everseal::jobs {

// One -d: a name and, for http-01 by file, the directory that its server shows.
struct IssueName {
  std::string name;  // base::parse_domain_name's form
  std::string webroot;
};

struct IssueOptions {
  std::vector<IssueName> names;
  std::string request;    // path of a certificate request whose key is not ours: names it all
  std::string webroot;    // of names that have none of their own; or empty
  bool separate = false;  // one certificate for each name; else one for all
  bool force = false;     // also where the present one is good
};

// How each certificate ended. `unchanged` ones were good already. One that is issued and that
// HAProxy was not proven to show is also among the failed.
struct IssueSummary {
  std::vector<store::CertificateRecord> issued;
  std::vector<store::CertificateRecord> unchanged;
  std::vector<NotIssued> failed;
};

// Gets the certificates, by their webroots or, where none is given, by a server of our own on port
// 80, and makes them live. Errors: what stops all of it.
Result<IssueSummary> issue(const Environment& environment, const IssueOptions& options);

}  // namespace everseal::jobs
