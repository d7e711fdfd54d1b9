// What each site needs: decided before anything is asked or changed.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "jobs/state.h"
#include "nginx/site.h"
#include "store/catalog.h"

namespace everseal::jobs {

enum class Need {
  issue,    // a certificate from the CA
  install,  // one that an earlier run got waits to be proven
  serve,    // the live one is good; nginx may still have to be told
  nothing,  // somebody else's certificate is good and stays
};

struct SitePlan {
  const nginx::Site* site = nullptr;
  store::CertificateRecord certificate;  // as it is wanted; without an id if it is new
  Need need = Need::issue;
  std::string why;  // for a person: "new", "expires 2026-…", "names changed"
};

enum class Wish { what_is_needed, new_certificates };

// A plan for each certificate of each site, in order, the second of a site right behind its first.
// `state` may be null: nothing is kept yet. Reads, changes nothing.
Result<std::vector<SitePlan>> plan_sites(const Environment& environment, State* state,
                                         std::span<const nginx::Site> sites, Wish wish);

// The sites that have one of `names` (any form that base::parse_domain_name takes); all of them if
// there are none. Errors: invalid, for a name that is no domain name or that no site has, with the
// reason if it was skipped, or with who answers it now.
Result<std::vector<nginx::Site>> select_sites(const nginx::Model& model, const nginx::Sites& sites,
                                              std::span<const std::string> names);

}  // namespace everseal::jobs
