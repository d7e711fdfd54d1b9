// Profiles of TLS settings for http{}: those of Mozilla and its successor TLSRef.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "nginx/version.h"

namespace everseal::nginx {

enum class Profile {
  modern,        // TLS 1.3 alone (guidelines 6.0)
  intermediate,  // TLS 1.2 and 1.3, with forward secrecy and AEAD (guidelines 6.0)
  old,           // down to TLS 1.0, for clients of before 2014 (guidelines 5.8, the last with it)
};

// "modern", "intermediate", "old".
std::string_view to_string(Profile profile);
// Errors: invalid, naming the profiles.
Result<Profile> parse_profile(std::string_view word);

// One directive of http{}, with its arguments as written.
struct Setting {
  std::string_view name;
  std::string value;
};

// What a profile says to the nginx and the OpenSSL that run.
std::vector<Setting> settings_of(Profile profile, const Version& nginx, const Version& openssl);

}  // namespace everseal::nginx
