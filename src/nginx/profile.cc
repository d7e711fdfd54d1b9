#include "nginx/profile.h"

#include <fmt/format.h>

#include <utility>

namespace everseal::nginx {
namespace {

constexpr std::pair<Profile, std::string_view> kNames[] = {
    {Profile::modern, "modern"}, {Profile::intermediate, "intermediate"}, {Profile::old, "old"}};

constexpr std::string_view kIntermediateCiphers =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";

// Without DES-CBC3-SHA, which caps the grade (Qualys, 2009n) and OpenSSL 3.0 no longer has.
constexpr std::string_view kFurtherOldCiphers =
    "ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA256:ECDHE-ECDSA-AES128-SHA:"
    "ECDHE-RSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA384:ECDHE-RSA-AES256-SHA384:"
    "ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA:AES128-GCM-SHA256:AES256-GCM-SHA384:"
    "AES128-SHA256:AES256-SHA256:AES128-SHA:AES256-SHA";

std::string protocols(Profile profile) {
  switch (profile) {
    case Profile::modern:
      return "TLSv1.3";
    case Profile::intermediate:
      return "TLSv1.2 TLSv1.3";
    case Profile::old:
      break;
  }
  return "TLSv1 TLSv1.1 TLSv1.2 TLSv1.3";
}

// At its usual security level OpenSSL 3.0 negotiates no TLS 1.0 and 1.1.
std::string old_ciphers(const Version& openssl) {
  return fmt::format("{}{}:{}", openssl >= Version{3, 0, 0} ? "@SECLEVEL=0:" : "",
                     kIntermediateCiphers, kFurtherOldCiphers);
}

}  // namespace

std::string_view to_string(Profile profile) {
  for (const auto& [each, name] : kNames)
    if (each == profile) return name;
  return "";
}

Result<Profile> parse_profile(std::string_view word) {
  for (const auto& [profile, name] : kNames)
    if (name == word) return profile;
  return base::invalid(
      fmt::format("unknown profile \"{}\"; known are modern, intermediate, old", word));
}

std::vector<Setting> settings_of(Profile profile, const Version& nginx, const Version& openssl) {
  std::vector<Setting> settings = {{"ssl_protocols", protocols(profile)}};
  if (profile == Profile::intermediate)
    settings.push_back({"ssl_ciphers", std::string(kIntermediateCiphers)});
  if (profile == Profile::old) settings.push_back({"ssl_ciphers", old_ciphers(openssl)});
  settings.push_back({"ssl_prefer_server_ciphers", profile == Profile::old ? "on" : "off"});
  // OpenSSL 3.5 is the first with the hybrid group; before, nginx would not start with it.
  settings.push_back({"ssl_ecdh_curve", openssl >= Version{3, 5, 0}
                                            ? "X25519MLKEM768:X25519:prime256v1:secp384r1"
                                            : "X25519:prime256v1:secp384r1"});
  settings.push_back({"ssl_session_timeout", "1d"});
  settings.push_back({"ssl_session_cache", "shared:everseal_tls:10m"});
  // From 1.23.2 nginx rotates ticket keys itself.
  if (nginx < Version{1, 23, 2}) settings.push_back({"ssl_session_tickets", "off"});
  settings.push_back({"ssl_early_data", "off"});
  settings.push_back({"server_tokens", "off"});
  return settings;
}

}  // namespace everseal::nginx
