// The main job: every chosen site on HTTPS.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "jobs/state.h"
#include "nginx/edit.h"
#include "nginx/site.h"

namespace everseal::jobs {

struct SecureOptions {
  std::vector<std::string> names;  // sites that have one of them; empty: all
  bool dry_run = false;            // stop after the preview
  bool force = false;              // new certificates also where the present ones are good
};

enum class SiteOutcome {
  planned,    // a dry run
  secured,    // proven: certificate, redirect, challenge
  unchanged,  // nothing was to do
  kept,       // somebody else's good certificate was left in place
  failed,
};
std::string_view to_string(SiteOutcome outcome);

struct SiteReport {
  std::string name;
  std::vector<std::string> names;
  SiteOutcome outcome = SiteOutcome::planned;
  std::string detail;           // why it failed, or what is planned
  std::optional<Time> expires;  // of the certificate that is served
};

struct SecureReport {
  std::vector<SiteReport> sites;
  std::vector<nginx::SkippedName> skipped;
  std::vector<nginx::Note> notes;  // what a person should know of the edits
  std::string diff;                // of the nginx files, as planned
};

// Finds the sites, shows the plan, and after a yes: certificates, nginx, proof. Sites that fail do
// not stop the others and leave their files as they were. Errors: what stops all of it; then
// nothing is changed.
Result<SecureReport> secure(const Environment& environment, const SecureOptions& options);

}  // namespace everseal::jobs
