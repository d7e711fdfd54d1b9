// The TLS settings that an administrator has, beside those of a profile. All are kept; what they
// mean is said.
#pragma once

#include <vector>

#include "nginx/edit.h"

namespace everseal::nginx {

// Settings that are weaker or stricter than the profile's or just others, protocols set where nginx
// does not look for them, and lines that nothing uses: of http{}, and of the servers that speak TLS
// in `model`. Where neither sets something, the profile is taken to be in force.
std::vector<Note> compare_policy(const Model& model, Profile profile, const EditOptions& options);

}  // namespace everseal::nginx
