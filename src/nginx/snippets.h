// The files of ours that nginx includes.
#pragma once

#include <string>

#include "nginx/edit.h"

namespace everseal::nginx {

// "DIRECTORY/acme.conf", included first in servers that answer http-01.
std::string acme_path(const EditOptions& options);
// "DIRECTORY/tls.conf", included once in http{}.
std::string tls_path(const EditOptions& options);

// Answers every http-01 request of the account before anything else in the server (RFC 8555 §8.3).
std::string acme_snippet(const EditOptions& options);

// Those settings of Mozilla's intermediate profile that http{} does not have itself; empty if it
// has them all.
std::string tls_snippet(const Model& model, const EditOptions& options);

}  // namespace everseal::nginx
