// Certification authority authorization (RFC 8659, RFC 8657).
#pragma once

#include <string>
#include <vector>

#include "ca/validation_context.h"
#include "dns/resolver.h"

namespace everseal::ca {

// Whom the records of a domain are to allow.
struct CaaApplicant {
  std::vector<std::string> identities{};  // names of the CA, lower-case
  bool wildcard = false;                  // "*.NAME" is asked for
  std::string account_url{};
  std::string method{};  // "http-01"
};

// Why `records`, all of one name, forbid the applicant to certify it; empty: they do not.
std::string forbidden_by(const std::vector<dns::CaaRecord>& records, const CaaApplicant& applicant);

// Looks for the records of the name that is validated, then of each domain above it, and heeds the
// first that there are. Nothing is asked about addresses, or by a CA without an identity. Problems:
// dns, caa.
Proven<> check_caa(const ValidationContext& context);

}  // namespace everseal::ca
