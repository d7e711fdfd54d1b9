// What a certificate was asked for, in words beside it (certificate.json): what neither the
// certificate nor nginx's configuration tells when the catalog is built anew.
#pragma once

#include <string>
#include <string_view>

#include "store/catalog.h"

namespace everseal::store {

inline constexpr const char* kNoteFile = "certificate.json";

// JSON, one line: name, names, server, key type, method, webroots, preferred chain, `beside`.
std::string to_note(const CertificateRecord& certificate);

// Those members of a record that a note has; the others are as of a new one. Errors: invalid.
Result<CertificateRecord> from_note(std::string_view note);

}  // namespace everseal::store
