// What `everseal nginx sites` shows of a configuration.
#pragma once

#include <string>
#include <vector>

#include "app/output.h"
#include "nginx/model.h"

namespace everseal::app {

// Its sites with their sockets and certificates, its sockets with their default servers, and the
// names that are no site's.
Output show_sites(const nginx::Model& model);

// Which server answers each of `names` on each socket and, on those without TLS, what a request of
// a CA would run into there.
Output show_answers(const nginx::Model& model, const std::vector<std::string>& names);

}  // namespace everseal::app
