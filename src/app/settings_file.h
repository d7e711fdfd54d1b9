// everseal.toml.
#pragma once

#include <string>
#include <string_view>

#include "base/file_system.h"
#include "jobs/settings.h"

namespace everseal::app {

inline constexpr const char* kSettingsFile = "/etc/everseal/everseal.toml";

// The settings in `text` (docs/formats.md), defaults for the rest. Errors: invalid,
// "PATH:LINE:COLUMN: what is wrong", also for a key that is not known.
Result<jobs::Settings> parse_settings(std::string_view text, const std::string& path);

// Reads the file; if it is missing: the defaults, unless a person named it (`required`).
// Errors: those of parse_settings(); invalid, too, if every user may read a secret in it; those of
// the file.
enum class Presence { optional, required };
Result<jobs::Settings> load_settings(const FileReader& files, const std::string& path,
                                     Presence presence);

// What can be read of a file that load_settings() refused by `why`: each of its tables as far as it
// is right. Nothing of a file that is refused for another reason than what is in it.
jobs::Settings readable_settings(const FileReader& files, const std::string& path,
                                 const Error& why);

// Another TOML file, as JSON, for whoever knows its keys. Errors: invalid, as above; those of the
// file.
Result<std::string> read_toml(const FileReader& files, const std::string& path);

// Reads "required", "relaxed". Errors: invalid.
Result<privsep::Strictness> parse_sandbox(std::string_view word);

// Reads a number of seconds, "ramp" (a step with each renewal) or "off"; behind the first two may
// stand ";subdomains" and then ";preload". Errors: invalid.
Result<nginx::HstsWish> parse_hsts(std::string_view word);

// Reads "6 months" (of 30 days), "1 year" (of 365), "2 weeks", "90 days"; nullopt for "never".
// Errors: invalid.
Result<std::optional<base::Seconds>> parse_period(std::string_view words);

// Reads "on", "off", "automatic". Errors: invalid.
Result<nginx::Redirect> parse_redirect(std::string_view text);

}  // namespace everseal::app
