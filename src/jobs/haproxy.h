// HAProxy beside nginx: what is live, there too.
#pragma once

#include <string>
#include <vector>

#include "deploy/proof.h"
#include "jobs/state.h"

namespace everseal::jobs {

struct NotServed {
  store::CertificateRecord certificate;
  Error error;
  bool is_unheard = false;  // HAProxy's socket gave no answer: what is wrong is not its own
};

struct HaproxyReport {
  std::vector<std::string> served;  // newly, by certificate name
  std::vector<NotServed> failed;    // these wait for the next run
};

// Whether HAProxy was proven to show the live version.
bool is_in_haproxy(const store::CertificateRecord& certificate);

// Where the HAProxy of the settings is to show it; nowhere, if it was not proven to.
std::vector<deploy::ServesLeaf> places_in_haproxy(const Settings& settings, State& state,
                                                  const store::CertificateRecord& certificate);

// Gives the HAProxy of the settings every live certificate that it was not yet proven to show: the
// renewed, the new, and what an earlier run could not give it. One query where there is none;
// nothing without HAProxy. Outcomes are in the catalog when it returns and have been reported.
// Errors: those of the catalog and of Workers::visitor().
Result<HaproxyReport> put_into_haproxy(const Environment& environment, State& state);

}  // namespace everseal::jobs
