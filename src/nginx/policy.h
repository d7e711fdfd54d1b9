// The TLS settings that an administrator has, beside those of a profile. All are kept; what they
// mean is said.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "nginx/edit.h"

namespace everseal::nginx {

struct Finding {
  Note note;
  const Directive* dead = nullptr;  // a line that nothing uses
};

// Settings that are weaker or stricter than the profile's or just others, protocols set where nginx
// does not look for them, and lines that nothing uses: of http{}, and of the servers that speak TLS
// in `model` or come to by `requests`, with the certificates that these give them. Where neither
// sets something, the profile is taken to be in force.
std::vector<Finding> compare_policy(const Model& model, Profile profile, const EditOptions& options,
                                    std::span<const SiteRequest> requests);

// Whether a server that was given these requests will show a certificate with an OCSP responder;
// none if that is not known.
std::optional<bool> has_responder(const Model& model, const Server& server,
                                  const EditOptions& options,
                                  std::span<const SiteRequest> requests);

}  // namespace everseal::nginx
