// Whether visitors get what is live: looked up on every listener, by handshake.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "jobs/state.h"
#include "nginx/site.h"

namespace everseal::jobs {

// A name in nginx's configuration for which nothing is kept.
struct UnsecuredName {
  std::string name;
  std::string where;  // "FILE:LINE" of the first server of its site
};

struct ServedReport {
  std::vector<store::ServedRecord> served{};  // of each certificate that nginx refers to, or did
  std::vector<UnsecuredName> unsecured{};
};

// Of sites without HTTPS, and those that a site gained since it got its certificate in `live`, the
// directory of live certificates.
std::vector<UnsecuredName> unsecured_names(const nginx::Sites& sites,
                                           std::span<const store::CertificateRecord> certificates,
                                           const std::string& live);

// Looks at each live certificate wherever nginx or HAProxy is to serve it, IPv4 and IPv6, and
// enters what is found into the catalog and, where it changed, into the history. A certificate that
// nginx's configuration does not name any more counts as unused from now on; one that is named
// again, as used. What differs is looked at twice: nginx may be reloading. Errors: those of finding
// and reading nginx's configuration, and of the catalog.
Result<ServedReport> check_served(const Environment& environment, State& state);

// When it is time again: about a day after the last look, or an hour where something was wrong. At
// once after a look in the future: the clock was wrong then.
Result<Time> next_check(State& state, Time now);

}  // namespace everseal::jobs
