// The files of ours that nginx includes.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "nginx/edit.h"
#include "nginx/profile.h"

namespace everseal::nginx {

// "DIRECTORY/acme.conf", included first in servers that answer http-01.
std::string acme_path(const EditOptions& options);
// "DIRECTORY/tls.conf", included once in http{}.
std::string tls_path(const EditOptions& options);

// Answers every http-01 request of the account before anything else in the server (RFC 8555 §8.3).
std::string acme_snippet(const EditOptions& options);

// Those settings of the profile that http{} does not have itself; empty if it has them all.
std::string tls_snippet(const Model& model, Profile profile, const EditOptions& options);

// The profile that a text of tls_snippet() was made for; none if it is not one.
std::optional<Profile> profile_of(std::string_view snippet);

// The last comment of a file of ours: its format, `particulars` (", KEY VALUE" each), and the
// checksum of what is below it.
std::string stamp(std::string_view particulars, std::string_view body);

// Whether a text is as it was when stamp() was put on it, now or in an earlier version: what was
// changed by hand is left alone.
bool is_untouched(std::string_view snippet);

// Whether a text is of the kind that we write into our directory: TLS settings, the answer to
// challenges, servers that refuse handshakes, or parameters for Diffie-Hellman. Whoever made the
// catalog that it comes from may have been somebody else, and nginx's master is root.
bool is_of_our_kind(std::string_view text);

}  // namespace everseal::nginx
